// SPDX-License-Identifier: GPL-2.0-or-later
// random_test.cpp - long random and adversarial runs: after every call the
// invariants hold and memory stays fixed
#include <criterion/criterion.h>

#include <random>
#include <vector>

#include "host.hpp"

namespace {
using Random = std::mt19937_64;

uint64_t address(Random& random, int kind) {
    switch (kind) {
    case 0: // one page
        return 0x7fff00000000;
    case 1: // every page of 1 GiB
        return 0x10000000 + (random() % (1 << 18) << 12);
    case 2: // two ends in turn
        return random() % 2 == 0 ? 0 : (uint64_t{1} << 47) - 1;
    case 3: // the whole space
        return random() >> 17;
    case 4: { // skewed
        uint64_t page = 4095;
        for (int turn = 0; turn < 3; ++turn)
            page &= random();
        return 0x400000000000 + page * 4096;
    }
    default: // also what is refused
        return random();
    }
}

void run(uint64_t seed, int steps) {
    Random random(seed);
    tm_policy_config config;
    tm_policy_config_default(&config);
    config.space_bytes = 16384 << (random() % 4);
    config.max_spaces = 5;
    config.seed = seed;
    config.walk_windows = 16 + static_cast<uint32_t>(random() % 200);
    tm_policy* policy = nullptr;
    cr_assert_eq(tm_policy_create(&config, &policy), 0);
    Machine machine;
    std::vector<tm_move> moves(500);
    uint64_t now = 0;
    for (int step = 0; step < steps; step++) {
        const uint64_t space = random() % 7;
        switch (random() % 10) {
        case 0:
            tm_policy_space_add(policy, space, 0);
            break;
        case 1:
            if (random() % 8 == 0)
                tm_policy_space_remove(policy, space);
            break;
        case 2:
            tm_policy_unmap(policy, space, random() >> 17, random() >> 16);
            break;
        case 3:
            tm_policy_space_qos(policy, space, static_cast<uint32_t>(random() % 5000), random() >> 40);
            break;
        case 4:
            machine.map(space, address(random, 4) & ~uint64_t{4095}, random() % 2000, random() % 2 == 0);
            break;
        case 5: {
            tm_epoch_input input{};
            now += random() % 1000000000;
            input.now_ns = now;
            input.fast_quota = random() >> (random() % 64);
            input.fast_free = random() >> (random() % 64);
            input.fast_free_huge = random() >> (random() % 64);
            input.fast_waiting = random() >> (random() % 64);
            input.fast_idle = random() >> (random() % 64);
            input.fast_reserve = random() >> (random() % 64);
            input.new_bytes = random() >> (random() % 64);
            input.bandwidth = random() >> (random() % 64);
            input.lost_samples = random() >> (random() % 64);
            input.cpu_permille = static_cast<uint32_t>(random() % 1002);
            input.qos_class = static_cast<uint32_t>(random() % 4);
            input.move_cost_ns = static_cast<uint32_t>(random() >> (32 + random() % 32));
            input.shrinking = static_cast<uint32_t>(random() % 3);
            tm_epoch_result result{};
            const auto max = static_cast<uint32_t>(random() % moves.size());
            if (tm_policy_epoch(policy, &input, random() % 4 == 0 ? nullptr : Machine::walk, &machine, moves.data(),
                                max, &result) != 0)
                break;
            cr_assert_leq(result.moves, max);
            cr_assert(result.period >= config.period_min && result.period <= config.period_max);
            for (uint32_t m = 0; m < result.moves; m++) {
                cr_assert(moves[m].pages >= 1 && moves[m].pages <= 512);
                cr_assert_neq(moves[m].promote_space & moves[m].demote_space, TM_SPACE_NONE);
                const tm_outcome outcome = machine.carry_out(moves[m]);
                tm_policy_moved(policy, &moves[m], random() % 3 == 0 ? nullptr : &outcome);
            }
            break;
        }
        case 6: {
            const int n = tm_policy_shrink(policy, random() >> (random() % 64), Machine::walk, &machine, moves.data(),
                                           static_cast<uint32_t>(random() % moves.size()));
            for (int m = 0; m < n; m++)
                tm_policy_moved(policy, &moves[m], nullptr);
            break;
        }
        default: {
            const int kind = static_cast<int>(random() % 6);
            for (int i = 0; i < 300; i++) {
                const tm_sample s{space, address(random, kind), static_cast<uint32_t>(random() >> (random() % 64)),
                                  static_cast<uint8_t>(random()), {0, 0, 0}};
                tm_policy_samples(policy, &s, 1);
            }
        }
        }
        const int broken = tm_policy_validate(policy);
        cr_assert_eq(broken, 0, "seed %lu step %d: invariant %d", seed, step, broken);
        tm_policy_stats stats{};
        tm_policy_get_stats(policy, &stats);
        cr_assert_eq(stats.spaces + 1U, host::allocations, "nothing is allocated but policies and spaces");
    }
    tm_policy_destroy(policy);
    cr_assert_eq(host::allocations, 0U);
}
} // namespace

Test(random_runs, invariants_hold, .timeout = 280) {
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed, 250);
}
