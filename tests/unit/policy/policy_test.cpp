// SPDX-License-Identifier: GPL-2.0-or-later
// policy_test.cpp - the C face: arguments, the life of a policy, whole epochs
#include <criterion/criterion.h>

#include <cstdlib>
#include <vector>

#include "host.hpp"
#include "host_services.h"
#include "policy_state.hpp"

namespace host {
size_t allocations = 0;
int allowed = -1;
} // namespace host

void* tm_host_alloc(size_t bytes) {
    if (host::allowed == 0)
        return nullptr;
    host::allowed -= host::allowed > 0 ? 1 : 0;
    host::allocations++;
    return std::calloc(1, bytes);
}

void tm_host_free(void* memory) {
    host::allocations -= memory != nullptr ? 1 : 0;
    std::free(memory);
}

void Machine::map(uint64_t space, uint64_t start, uint64_t pages, bool on_fast) {
    for (uint64_t p = 0; p < pages; p++) {
        present.insert({space, start / 4096 + p});
        if (on_fast)
            fast.insert({space, start / 4096 + p});
    }
}

int Machine::walk(void* context, uint64_t space, uint64_t start, uint64_t end, tm_window* window) {
    auto& m = *static_cast<Machine*>(context);
    m.walks++;
    if (m.fail_after >= 0 && m.walks > m.fail_after)
        return TM_ERR_ABSENT;
    const auto first = m.present.lower_bound({space, start / 4096});
    if (first == m.present.end() || first->first != space || first->second >= end / 4096)
        return 0;
    const uint64_t base = first->second / 512 * 512;
    window->start = m.lie ? end : base * 4096;
    window->huge = m.huge.contains({space, base / 512}) ? 1 : 0;
    for (auto it = first; it != m.present.end() && it->first == space && it->second < base + 512; ++it) {
        const uint64_t p = it->second - base;
        window->present[p / 64] |= uint64_t{1} << (p % 64);
        if (m.fast.contains(*it))
            window->fast[p / 64] |= uint64_t{1} << (p % 64);
    }
    return 1;
}

tm_outcome Machine::carry_out(const tm_move& move) {
    tm_outcome o{};
    for (uint64_t i = 0; i < move.pages; i++) {
        const std::pair hot{move.promote_space, move.promote_addr / 4096 + i};
        const std::pair cold{move.demote_space, move.demote_addr / 4096 + i};
        const bool hot_ok = move.promote_space == TM_SPACE_NONE || (present.contains(hot) && !fast.contains(hot));
        const bool cold_ok = move.demote_space == TM_SPACE_NONE || fast.contains(cold);
        const uint64_t bit = uint64_t{1} << (i % 64);
        o.refused_promote[i / 64] |= hot_ok ? 0 : bit;
        o.refused_demote[i / 64] |= cold_ok ? 0 : bit;
        if (!hot_ok || !cold_ok)
            continue;
        o.done[i / 64] |= bit;
        if (move.promote_space != TM_SPACE_NONE)
            fast.insert(hot);
        if (move.demote_space != TM_SPACE_NONE)
            fast.erase(cold);
    }
    return o;
}

namespace {
constexpr uint64_t kHeap = 0x555500000000;
constexpr uint64_t kMiB = 1 << 20;

tm_policy_config defaults() {
    tm_policy_config config;
    tm_policy_config_default(&config);
    return config;
}

struct Fixture {
    explicit Fixture(const tm_policy_config& config = defaults()) : moves(8192) {
        cr_assert_eq(tm_policy_create(&config, &policy), 0);
        input.now_ns = 1;
        input.bandwidth = 256 * kMiB;
        input.cpu_permille = 5;
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;
    ~Fixture() { tm_policy_destroy(policy); }

    uint32_t samples(uint64_t space, uint64_t start, uint64_t bytes, int count, uint8_t tier = TM_TIER_UNKNOWN,
                     uint32_t weight = 100) {
        uint32_t taken = 0;
        for (int i = 0; i < count; i++) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            const tm_sample s{space, start + (state >> 20) % bytes, weight, tier, {0, 0, 0}};
            taken += tm_policy_samples(policy, &s, 1);
        }
        return taken;
    }
    // An epoch; its steps are carried out and reported.
    tm_epoch_result epoch() {
        input.now_ns += 500000000;
        input.fast_idle = idle * 4096;
        input.fast_free = input.fast_quota - (machine.fast.size() + idle) * 4096;
        input.fast_free_huge = scattered ? 0 : input.fast_free;
        tm_epoch_result r{};
        cr_assert_eq(tm_policy_epoch(policy, &input, Machine::walk, &machine, moves.data(),
                                     static_cast<uint32_t>(moves.size()), &r), 0);
        cr_assert_leq(r.idle_pages + r.idle_trades, idle);
        idle -= r.idle_pages + r.idle_trades;
        tm_policy_idle_moved(policy, r.idle_pages + r.idle_trades);
        for (uint32_t m = 0; m < r.moves; m++) {
            const tm_outcome o = machine.carry_out(moves[m]);
            tm_policy_moved(policy, &moves[m], &o);
        }
        check();
        return r;
    }
    void check() const { cr_assert_eq(tm_policy_validate(policy), 0, "invariant %d", tm_policy_validate(policy)); }
    [[nodiscard]] tm_policy_stats stats() const {
        tm_policy_stats s{};
        tm_policy_get_stats(policy, &s);
        return s;
    }
    [[nodiscard]] uint64_t fast_in(uint64_t space, uint64_t start, uint64_t bytes) const {
        uint64_t n = 0;
        for (uint64_t p = 0; p < bytes / 4096; p++)
            n += machine.fast.count({space, start / 4096 + p});
        return n;
    }

    tm_policy* policy = nullptr;
    tm_epoch_input input{};
    Machine machine;
    std::vector<tm_move> moves;
    uint64_t state = 1;
    bool scattered = false; // what is free is so
    uint64_t idle = 0;      // pages on tier 0 that no space has
};

void refused(void (*change)(tm_policy_config&)) {
    tm_policy_config config = defaults();
    change(config);
    tm_policy* policy = nullptr;
    cr_assert_eq(tm_policy_create(&config, &policy), TM_ERR_ARGUMENT);
    cr_assert_null(policy);
}
} // namespace

Test(policy, configurations_out_of_range_are_refused) {
    refused([](tm_policy_config& c) { c.tiers = 0; });
    refused([](tm_policy_config& c) { c.tiers = 1; });
    refused([](tm_policy_config& c) { c.tiers = 3; });
    refused([](tm_policy_config& c) { c.max_spaces = 0; });
    refused([](tm_policy_config& c) { c.max_spaces = 65537; });
    refused([](tm_policy_config& c) { c.space_bytes = 16 * 1024 - 1; });
    refused([](tm_policy_config& c) { c.space_bytes = 64 * 1024 * 1024 + 1; });
    refused([](tm_policy_config& c) { c.address_bits = 48; });
    refused([](tm_policy_config& c) { c.epoch_ms = 9; });
    refused([](tm_policy_config& c) { c.epoch_ms = 60001; });
    refused([](tm_policy_config& c) { c.period_min = 0; });
    refused([](tm_policy_config& c) { c.period_max = c.period_min - 1; });
    refused([](tm_policy_config& c) { c.sample_cost_ns = 0; });
    refused([](tm_policy_config& c) { c.move_cost_ns = 0; });
    refused([](tm_policy_config& c) { c.move_cost_ns = 1000000001; });
    refused([](tm_policy_config& c) { c.access_gain_ns = 0; });
    refused([](tm_policy_config& c) { c.access_gain_ns = 1000001; });
    refused([](tm_policy_config& c) { c.horizon_ms = c.epoch_ms - 1; });
    refused([](tm_policy_config& c) { c.walk_windows = 15; });
    refused([](tm_policy_config& c) { c.doubt_milli = 0; });
    refused([](tm_policy_config& c) { c.calm_doubt_milli = 0; });
    tm_policy* policy = nullptr;
    cr_assert_eq(tm_policy_create(nullptr, &policy), TM_ERR_ARGUMENT);
    const tm_policy_config config = defaults();
    cr_assert_eq(tm_policy_create(&config, nullptr), TM_ERR_ARGUMENT);
}

// Dense until anything is heard, in whatever limits.
Test(policy, what_begins_is_sampled_densely) {
    Fixture f;
    cr_assert_eq(f.epoch().period, 127U);
    tm_policy_config narrow = defaults();
    narrow.period_min = 1000;
    Fixture g(narrow);
    cr_assert_eq(g.epoch().period, 1000U);
}

// Sixty-four CPUs become busy at once: not for the rest of the epoch at the same density.
Test(policy, far_too_many_samples_lengthen_the_period_at_once) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.samples(1, kHeap, kMiB, 100000);
    cr_assert_eq(tm_policy_period_now(f.policy), 127U, "no budget is known yet");
    f.input.cpu_permille = 1;
    const uint32_t period = f.epoch().period;
    const int many = 500000 / 60 * 4; // 500 us of an epoch, 60 ns each
    f.samples(1, kHeap, kMiB, many - 1);
    cr_assert_eq(tm_policy_period_now(f.policy), period);
    f.samples(1, kHeap, kMiB, 1);
    cr_assert_eq(tm_policy_period_now(f.policy), 2 * period + 1);
    f.samples(1, kHeap, kMiB, many / 2 - 1);
    cr_assert_eq(tm_policy_period_now(f.policy), 2 * period + 1, "the longer one is waited for");
    f.samples(1, kHeap, kMiB, 1);
    cr_assert_eq(tm_policy_period_now(f.policy), 4 * period + 3);
    for (int i = 0; i < 30; i++) {
        f.samples(1, kHeap, kMiB, many);
        tm_policy_period_now(f.policy);
    }
    cr_assert_eq(tm_policy_period_now(f.policy), defaults().period_max);
    const uint32_t next = f.epoch().period;
    cr_assert_lt(next, defaults().period_max / 2);
    f.samples(1, kHeap, kMiB, many - 1);
    cr_assert_eq(tm_policy_period_now(f.policy), next, "each epoch begins anew");
    f.samples(1, kHeap, kMiB, 1);
    cr_assert_eq(tm_policy_period_now(f.policy), 2 * next + 1);
}

Test(policy, the_driver_is_content_with_less) {
    tm_policy_config guest;
    tm_policy_config_guest(&guest);
    const tm_policy_config plain = defaults();
    cr_assert(guest.doubt_milli > plain.doubt_milli && guest.calm_doubt_milli > guest.doubt_milli);
    cr_assert(guest.sample_cost_ns > plain.sample_cost_ns && guest.walk_windows < plain.walk_windows);
    tm_policy* policy = nullptr;
    cr_assert_eq(tm_policy_create(&guest, &policy), 0);
    tm_policy_destroy(policy);
}

Test(policy, extreme_configurations_are_taken) {
    tm_policy_config c = defaults();
    c.max_spaces = 65536;
    c.space_bytes = 64 * 1024 * 1024;
    c.address_bits = 57;
    c.epoch_ms = 60000;
    c.horizon_ms = 60000;
    c.period_min = c.period_max = 1;
    Fixture f(c);
    cr_assert_eq(tm_policy_space_add(f.policy, 1, 0), 0);
    f.check();
    f.samples(1, 0, uint64_t{1} << 56, 1000);
    f.epoch();
}

Test(policy, no_memory) {
    const tm_policy_config config = defaults();
    tm_policy* policy = nullptr;
    host::allowed = 0;
    cr_assert_eq(tm_policy_create(&config, &policy), TM_ERR_MEMORY);
    host::allowed = 1;
    cr_assert_eq(tm_policy_create(&config, &policy), 0);
    cr_assert_eq(tm_policy_space_add(policy, 1, 0), TM_ERR_MEMORY);
    host::allowed = -1;
    cr_assert_eq(tm_policy_validate(policy), 0);
    cr_assert_eq(tm_policy_space_add(policy, 1, 0), 0);
    tm_policy_destroy(policy);
    tm_policy_destroy(nullptr);
    cr_assert_eq(host::allocations, 0U);
}

Test(policy, spaces_come_and_go) {
    tm_policy_config c = defaults();
    c.max_spaces = 2;
    Fixture f(c);
    cr_assert_eq(tm_policy_space_add(f.policy, TM_SPACE_NONE, 0), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_space_add(f.policy, 1, 16 * 1024 - 1), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_space_add(f.policy, 1, 64 * 1024 * 1024 + 1), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_space_add(f.policy, 1, 16 * 1024), 0);
    cr_assert_eq(tm_policy_space_add(f.policy, 1, 0), TM_ERR_EXISTS);
    cr_assert_eq(tm_policy_space_add(f.policy, 2, 0), 0);
    cr_assert_eq(tm_policy_space_add(f.policy, 3, 0), TM_ERR_LIMIT);
    f.samples(2, kHeap, kMiB, 100);
    cr_assert_eq(tm_policy_space_remove(f.policy, 2), 0);
    cr_assert_eq(tm_policy_space_remove(f.policy, 2), TM_ERR_ABSENT);
    cr_assert_eq(f.samples(2, kHeap, kMiB, 10), 0U);
    cr_assert_eq(f.stats().samples_unknown, 10U);
    cr_assert_gt(f.stats().splits, 0U, "counters outlive the space");
    cr_assert_eq(tm_policy_space_add(f.policy, 3, 0), 0);
    cr_assert_eq(f.stats().spaces, 2U);
    f.check();
}

Test(policy, ten_thousand_spaces) {
    tm_policy_config c = defaults();
    c.space_bytes = 16 * 1024;
    c.max_spaces = 64;
    Fixture f(c);
    const uint64_t bytes = f.stats().bytes;
    for (uint64_t id = 0; id < 10000; id++) {
        cr_assert_eq(tm_policy_space_add(f.policy, id, 0), 0);
        f.samples(id, kHeap, 64 * kMiB, 20);
        if (id % 100 == 0)
            f.epoch();
        if (id >= 60)
            cr_assert_eq(tm_policy_space_remove(f.policy, id - 60), 0);
        cr_assert_leq(f.stats().bytes, bytes + 64 * 16 * 1024);
    }
    for (uint64_t id = 9940; id < 10000; id++)
        cr_assert_eq(tm_policy_space_remove(f.policy, id), 0);
    cr_assert_eq(f.stats().bytes, bytes);
    cr_assert_eq(host::allocations, 1U);
}

Test(policy, qos_and_unmap_arguments) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    cr_assert_eq(tm_policy_space_qos(f.policy, 2, 16, 0), TM_ERR_ABSENT);
    cr_assert_eq(tm_policy_space_qos(f.policy, 1, 0, 0), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_space_qos(f.policy, 1, 4097, 0), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_space_qos(f.policy, 1, 1, ~uint64_t{0}), 0);
    cr_assert_eq(tm_policy_space_qos(f.policy, 1, 4096, 0), 0);
    cr_assert_eq(tm_policy_unmap(f.policy, 2, 0, 1), TM_ERR_ABSENT);
    cr_assert_eq(tm_policy_unmap(f.policy, 1, 2, 1), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_unmap(f.policy, 1, uint64_t{1} << 47, ~uint64_t{0}), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_unmap(f.policy, 1, 0, ~uint64_t{0}), 0);
    f.check();
}

Test(policy, bad_samples_are_counted) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    const tm_sample bad[3] = {{1, uint64_t{1} << 47, 1, 0, {0, 0, 0}}, {1, 0, 0, 0, {0, 0, 0}}, {9, 0, 1, 0, {0, 0, 0}}};
    cr_assert_eq(tm_policy_samples(f.policy, bad, 3), 0U);
    cr_assert_eq(tm_policy_samples(f.policy, bad, 0), 0U);
    cr_assert_eq(f.stats().samples_rejected, 2U);
    cr_assert_eq(f.stats().samples_unknown, 1U);
}

Test(policy, epoch_arguments) {
    Fixture f;
    tm_epoch_result r{};
    const tm_epoch_input good = f.input;
    cr_assert_eq(tm_policy_epoch(f.policy, nullptr, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_epoch(f.policy, &good, nullptr, nullptr, nullptr, 0, nullptr), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_epoch(f.policy, &good, nullptr, nullptr, nullptr, 1, &r), TM_ERR_ARGUMENT);
    tm_epoch_input bad = good;
    bad.now_ns = 0;
    cr_assert_eq(tm_policy_epoch(f.policy, &bad, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT);
    bad = good;
    bad.cpu_permille = 1001;
    cr_assert_eq(tm_policy_epoch(f.policy, &bad, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT);
    bad = good;
    bad.move_cost_ns = 1000000001;
    cr_assert_eq(tm_policy_epoch(f.policy, &bad, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT);
    bad = good;
    bad.qos_class = 3;
    cr_assert_eq(tm_policy_epoch(f.policy, &bad, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT);
    bad = good;
    bad.shrinking = 2;
    cr_assert_eq(tm_policy_epoch(f.policy, &bad, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_epoch(f.policy, &good, nullptr, nullptr, nullptr, 0, &r), 0);
    cr_assert_eq(tm_policy_epoch(f.policy, &good, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT, "time stood still");
    tm_epoch_input later = good;
    later.now_ns = ~uint64_t{0};
    cr_assert_eq(tm_policy_epoch(f.policy, &later, nullptr, nullptr, nullptr, 0, &r), 0);
    cr_assert_eq(tm_policy_epoch(f.policy, &good, nullptr, nullptr, nullptr, 0, &r), TM_ERR_ARGUMENT, "time went back");
    f.check();
}

// 32 MiB on fast memory and 96 MiB after them on slow; the quota is those 32 MiB, the 16 MiB at 64 MiB will be hot.
struct QuarterFast : Fixture {
    QuarterFast() {
        tm_policy_space_add(policy, 1, 0);
        machine.map(1, kHeap, 8192, true);
        machine.map(1, kHeap + 32 * kMiB, 24576, false);
        input.fast_quota = 8192 * 4096;
    }
};

Test(policy, a_hot_region_is_placed_and_left_alone) {
    QuarterFast f;
    uint64_t promoted = 0;
    for (int e = 0; e < 12; e++) {
        f.samples(1, kHeap + 64 * kMiB, 16 * kMiB, 9000);
        f.samples(1, kHeap, 128 * kMiB, 1000);
        promoted += f.epoch().promote_pages;
    }
    cr_assert_eq(f.fast_in(1, kHeap + 64 * kMiB, 16 * kMiB), 4096U);
    cr_assert_leq(promoted, 4096 * 13 / 10);
    cr_assert_leq(f.machine.fast.size(), 8192U);
    uint64_t heat = 0;
    cr_assert_eq(tm_policy_page_heat(f.policy, 1, kHeap + 65 * kMiB, &heat), 1);
    cr_assert_gt(heat, 100000U);
    cr_assert_eq(tm_policy_page_heat(f.policy, 1, kHeap, &heat), 0);
    uint64_t later = 0;
    for (int e = 0; e < 20; e++) {
        f.samples(1, kHeap + 64 * kMiB, 16 * kMiB, 9000);
        f.samples(1, kHeap, 128 * kMiB, 1000);
        later += f.epoch().promote_pages;
    }
    cr_assert_leq(later, 4096 / 10, "10 s, at most 1 %% a second");
}

// One sample in six epochs for each 2 MiB, all equally warm: what got none of late is
// not colder for it, nor what got three hotter.
Test(policy, chance_in_few_samples_moves_nothing) {
    QuarterFast f;
    const auto warm = [&](int epochs, int count) {
        uint64_t promoted = 0;
        for (int e = 0; e < epochs; e++) {
            f.samples(1, kHeap, 128 * kMiB, count, TM_TIER_UNKNOWN, static_cast<uint32_t>(400000 / count));
            promoted += f.epoch().promote_pages;
        }
        return promoted;
    };
    warm(40, 4000);
    const uint64_t promoted = warm(240, 10);
    cr_assert_leq(promoted, 512U, "two minutes, one window at most, not %lu", promoted);
}

Test(policy, stir_is_what_was_promoted_of_late) {
    QuarterFast f;
    cr_assert_eq(f.policy->stir_ppm, 1000000U, "nothing is placed yet");
    for (int e = 0; e < 12; e++) {
        f.samples(1, kHeap + 64 * kMiB, 16 * kMiB, 9000);
        f.samples(1, kHeap, 128 * kMiB, 1000);
        const uint64_t before = f.policy->stir_ppm;
        const uint64_t pages = f.epoch().promote_pages;
        const uint64_t expected = (before * 15 + pages * 1000000 / 8192 * 2) / 16;
        cr_assert(f.policy->stir_ppm + 2 >= expected && f.policy->stir_ppm <= expected + 2, "epochs of half a second");
    }
    // An epoch as long as the memory leaves nothing of it.
    f.input.now_ns += 100 * 500000000ULL;
    cr_assert_eq(f.epoch().promote_pages, 0U);
    cr_assert_eq(f.policy->stir_ppm, 0U);
    f.input.fast_quota = 0;
    f.epoch();
    cr_assert_eq(f.policy->stir_ppm, 0U);
}

Test(policy, the_less_is_moved_the_longer_a_ranking_holds) {
    QuarterFast f;
    const auto plans = [&](int epochs, uint32_t stir_ppm, uint64_t hot) {
        int sum = 0;
        for (int e = 0; e < epochs; e++) {
            f.policy->stir_ppm = stir_ppm;
            f.samples(1, hot, 16 * kMiB, 9000);
            f.samples(1, kHeap, 128 * kMiB, 1000);
            f.epoch();
            sum += f.policy->planned_ns == f.input.now_ns ? 1 : 0;
        }
        return sum;
    };
    const uint64_t hot = kHeap + 64 * kMiB;
    plans(100, 0, hot); // the last change is behind it
    cr_assert_eq(plans(16, 9000, hot), 16);
    cr_assert_eq(plans(16, 8000, hot), 8);
    cr_assert_eq(plans(16, 2000, hot), 2);
    // The kernel takes and gives a few pages all the time.
    int sum = 0;
    for (int e = 0; e < 16; e++) {
        f.input.fast_quota = (8192 + e % 2 * 30ULL) * 4096;
        sum += plans(1, 2000, hot);
    }
    cr_assert_eq(sum, 2, "%d", sum);
    f.input.fast_quota += 100 * 4096ULL;
    cr_assert_eq(plans(1, 2000, hot), 1, "another quota is not only that");
    f.input.fast_quota = 8192 * 4096ULL;
    cr_assert_geq(plans(3, 2000, kHeap + 96 * kMiB), 2, "what changes is planned at once");
    cr_assert_eq(f.fast_in(1, kHeap + 96 * kMiB, 16 * kMiB), 4096U);
}

// The caller allows so much for an epoch: that nothing was planned for two seconds does not add to it.
Test(policy, a_rest_saves_no_bandwidth_up) {
    QuarterFast f;
    for (int e = 0; e < 100; e++) {
        f.samples(1, kHeap + 64 * kMiB, 16 * kMiB, 9000);
        f.samples(1, kHeap, 128 * kMiB, 1000);
        f.epoch();
    }
    const auto rests = [&] { return f.policy->planned_ns != f.policy->last_ns; };
    f.policy->stir_ppm = 0;
    for (int e = 0; e < 5 || !rests(); e++) {
        f.samples(1, kHeap + 64 * kMiB, 16 * kMiB, 9000);
        f.samples(1, kHeap, 128 * kMiB, 1000);
        f.epoch();
    }
    f.input.bandwidth = 2 * kMiB;
    f.input.fast_quota += 16 * kMiB;
    f.samples(1, kHeap, 128 * kMiB, 10000);
    cr_assert_eq(f.epoch().promote_pages, 256U, "of half a second");
}

Test(policy, no_bandwidth_no_moves) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, kHeap, 4096, false);
    f.input.fast_quota = 64 * kMiB;
    f.input.bandwidth = 0;
    for (int e = 0; e < 6; e++) {
        f.samples(1, kHeap, 16 * kMiB, 5000);
        cr_assert_eq(f.epoch().moves, 0U);
    }
    f.input.qos_class = TM_CLASS_BEST_EFFORT;
    f.input.bandwidth = 8 * kMiB;
    f.samples(1, kHeap, 16 * kMiB, 5000);
    cr_assert_eq(f.epoch().promote_pages, 512U, "half of 8 MiB/s for half a second");
}

Test(policy, a_zero_quota_moves_nothing_up) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, kHeap, 4096, false);
    for (int e = 0; e < 6; e++) {
        f.samples(1, kHeap, 16 * kMiB, 5000);
        cr_assert_eq(f.epoch().promote_pages, 0U);
    }
}

Test(policy, shrink_takes_the_coldest) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, kHeap, 8192, true);
    f.input.fast_quota = 8192 * 4096;
    for (int e = 0; e < 6; e++) {
        f.samples(1, kHeap, 16 * kMiB, 9000);
        f.samples(1, kHeap, 32 * kMiB, 1000);
        f.epoch();
    }
    int n = tm_policy_shrink(f.policy, 4096 * 4096 + 1, Machine::walk, &f.machine, f.moves.data(), 8192);
    cr_assert_gt(n, 0);
    uint64_t pages = 0;
    for (int m = 0; m < n; m++) {
        cr_assert_eq(f.moves[m].promote_space, TM_SPACE_NONE);
        pages += f.moves[m].pages;
        const tm_outcome o = f.machine.carry_out(f.moves[m]);
        tm_policy_moved(f.policy, &f.moves[m], &o);
    }
    cr_assert_eq(pages, 4097U, "rounded up");
    cr_assert_geq(f.fast_in(1, kHeap, 16 * kMiB), 4095U, "the hot ones stayed");
    n = tm_policy_shrink(f.policy, ~uint64_t{0}, Machine::walk, &f.machine, f.moves.data(), 8192);
    for (int m = 0; m < n; m++)
        tm_policy_moved(f.policy, &f.moves[m], nullptr);
    cr_assert_eq(tm_policy_shrink(f.policy, 4096, Machine::walk, &f.machine, nullptr, 1), TM_ERR_ARGUMENT);
    cr_assert_eq(tm_policy_shrink(f.policy, 0, Machine::walk, &f.machine, f.moves.data(), 8192), 0);
    f.check();
}

// What an epoch may walk shows none of them.
Test(policy, shrink_finds_the_last_fast_pages_of_a_large_cold_range) {
    tm_policy_config config = defaults();
    config.walk_windows = 16;
    Fixture f(config);
    tm_policy_space_add(f.policy, 1, 0);
    const uint64_t base = 0x100000000000;
    f.machine.map(1, base, 100 * 512, false);
    f.machine.map(1, base + 100 * 2 * kMiB, 512, true);
    for (int e = 0; e < 100; e++)
        f.epoch();
    const int n = tm_policy_shrink(f.policy, 512 * 4096, Machine::walk, &f.machine, f.moves.data(), 8192);
    cr_assert_eq(n, 1);
    cr_assert_eq(f.moves[0].demote_addr, base + 100 * 2 * kMiB);
    // Not for ever where there is nothing, and not without walks.
    f.machine.fast.clear();
    const int before = f.machine.walks;
    cr_assert_eq(tm_policy_shrink(f.policy, 512 * 4096, Machine::walk, &f.machine, f.moves.data(), 8192), 0);
    cr_assert_leq(f.machine.walks - before, 64 * 16);
    cr_assert_eq(tm_policy_shrink(f.policy, 512 * 4096, nullptr, nullptr, f.moves.data(), 8192), 0);
}

Test(policy, huge_folios_move_whole) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    const uint64_t base = 0x7f0000000000;
    f.machine.map(1, base, 4 * 512, true);
    f.machine.map(1, base + 8 * kMiB, 4 * 512, false);
    for (uint64_t w = 0; w < 8; w++)
        f.machine.huge.insert({1, base / (2 * kMiB) + w});
    f.input.fast_quota = 4 * 512 * 4096;
    for (int e = 0; e < 8; e++) {
        f.samples(1, base + 8 * kMiB, 4 * kMiB, 9000);
        f.samples(1, base, 16 * kMiB, 500);
        const tm_epoch_result r = f.epoch();
        for (uint32_t m = 0; m < r.moves; m++)
            cr_assert(f.moves[m].huge == 1 && f.moves[m].pages == 512);
    }
    cr_assert_eq(f.fast_in(1, base + 8 * kMiB, 4 * kMiB), 1024U);
}

// Free pages that lie scattered are no room for 2 MiB: more is made, as where none are free.
Test(policy, base_pages_make_room_for_a_huge_folio) {
    for (const bool scattered : {false, true}) {
        Fixture f;
        f.scattered = scattered;
        tm_policy_space_add(f.policy, 1, 0);
        const uint64_t base = 0x7f0000000000;
        f.machine.map(1, base, (scattered ? 6 : 8) * 512, true);
        f.machine.map(1, base + 16 * kMiB, 512, false);
        f.machine.huge.insert({1, (base + 16 * kMiB) / (2 * kMiB)});
        f.input.fast_quota = 8 * 512 * 4096;
        uint64_t demoted = 0;
        for (int e = 0; e < 8; e++) {
            f.samples(1, base + 16 * kMiB, 2 * kMiB, 5000);
            f.samples(1, base, (scattered ? 12 : 16) * kMiB, 500);
            demoted += f.epoch().demote_pages;
        }
        cr_assert_eq(f.fast_in(1, base + 16 * kMiB, 2 * kMiB), 512U);
        cr_assert_geq(demoted, 512U);
        cr_assert_leq(f.machine.fast.size(), 8 * 512U);
    }
}

// What nobody uses makes room for base pages before anything that is mapped does; 2 MiB folios still trade places.
Test(policy, idle_pages_make_room) {
    for (const bool huge : {false, true}) {
        Fixture f;
        f.scattered = true;
        f.idle = 1500;
        tm_policy_space_add(f.policy, 1, 0);
        const uint64_t base = 0x7f0000000000;
        f.machine.map(1, base, 4 * 512, true);
        f.machine.map(1, base + 8 * kMiB, 2 * 512, false);
        for (uint64_t w = 0; huge && w < 6; w++)
            f.machine.huge.insert({1, base / (2 * kMiB) + w});
        f.input.fast_quota = (4 * 512 + 1500) * 4096;
        uint64_t demoted = 0;
        for (int e = 0; e < 12; e++) {
            f.samples(1, base + 8 * kMiB, 4 * kMiB, 5000);
            f.samples(1, base, 8 * kMiB, huge ? 500 : 8000); // too hot to trade places
            demoted += f.epoch().demote_pages;
        }
        cr_assert_eq(f.fast_in(1, base + 8 * kMiB, 4 * kMiB), 1024U, "huge %d", huge);
        cr_assert(huge || demoted == 0, "%lu", demoted);
        cr_assert_leq(f.idle, 1500U - (huge ? 0U : 1024U));
    }
}

// Idle pages are no place for folios of 2 MiB, which trade places with others all the same.
Test(policy, idle_pages_do_not_hold_up_huge_ones) {
    Fixture f;
    f.idle = 4 * 512;
    tm_policy_space_add(f.policy, 1, 0);
    const uint64_t base = 0x7f0000000000;
    f.machine.map(1, base, 8 * 512, true);
    f.machine.map(1, base + 32 * kMiB, 4 * 512, false);
    for (uint64_t w = 0; w < 20; w++)
        f.machine.huge.insert({1, base / (2 * kMiB) + w});
    f.input.fast_quota = (8 * 512 + 4 * 512) * 4096;
    for (int e = 0; e < 16; e++) {
        f.samples(1, base + 32 * kMiB, 8 * kMiB, 5000);
        f.samples(1, base, 16 * kMiB, 100);
        f.epoch();
    }
    cr_assert_eq(f.fast_in(1, base + 32 * kMiB, 8 * kMiB), 4 * 512U);
    cr_assert_leq(f.machine.fast.size(), 8 * 512U + f.idle);
}

// What is free and cannot be had makes up the reserve, and is no room for promotions.
Test(policy, pages_that_wait_are_a_reserve_only) {
    for (const uint64_t waiting : {uint64_t{0}, 2 * kMiB}) {
        Fixture f;
        tm_policy_space_add(f.policy, 1, 0);
        f.machine.map(1, kHeap, 4 * 512, true);
        f.machine.map(1, kHeap + 16 * kMiB, 512, false);
        f.input.fast_quota = 4 * 512 * 4096;
        f.input.fast_waiting = waiting;
        f.input.fast_reserve = kMiB;
        uint64_t promoted = 0;
        uint64_t demoted = 0;
        for (int e = 0; e < 8; e++) {
            f.samples(1, kHeap + 16 * kMiB, 2 * kMiB, 5000);
            f.samples(1, kHeap, 8 * kMiB, 500);
            const tm_epoch_result r = f.epoch();
            promoted += r.promote_pages;
            demoted += r.demote_pages;
        }
        cr_assert_eq(f.fast_in(1, kHeap + 16 * kMiB, 2 * kMiB), 512U);
        cr_assert_eq(demoted, promoted + (waiting == 0 ? 256 : 0), "%lu up, %lu down", promoted, demoted);
    }
}

Test(policy, refused_pages_are_not_proposed_again_soon) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, kHeap, 4096, false);
    f.input.fast_quota = 64 * kMiB;
    tm_outcome refuse{};
    for (auto& w : refuse.refused_promote)
        w = ~uint64_t{0};
    int proposed_in = 0;
    for (int e = 0; e < 30; e++) {
        f.samples(1, kHeap, 16 * kMiB, 5000);
        f.input.now_ns += 500000000;
        f.input.fast_free_huge = f.input.fast_free = f.input.fast_quota;
        tm_epoch_result r{};
        tm_policy_epoch(f.policy, &f.input, Machine::walk, &f.machine, f.moves.data(), 8192, &r);
        proposed_in += r.promote_pages > 100 ? 1 : 0;
        for (uint32_t m = 0; m < r.moves; m++)
            tm_policy_moved(f.policy, &f.moves[m], &refuse);
        f.check();
    }
    cr_assert(proposed_in >= 1 && proposed_in <= 8, "%d", proposed_in);
    cr_assert_gt(f.stats().moves_failed, 0U);
    cr_assert_eq(f.stats().moves_done, 0U);
}

// Half of what an idle process has is used by others too, and always refused: the rest is found nevertheless, and less
// and less is tried in vain.
Test(policy, what_is_always_refused_does_not_hide_the_rest) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    tm_policy_space_add(f.policy, 2, 0);
    constexpr uint64_t kUsed = kHeap + 128 * kMiB;
    f.machine.map(1, kHeap, 65536, true);
    f.machine.map(2, kHeap, 8192, false);
    f.input.fast_quota = 256 * kMiB;
    uint64_t demoted = 0;
    std::array<uint64_t, 2> vain{};
    for (int e = 0; e < 400; e++) {
        f.samples(2, kHeap, 32 * kMiB, 8000);
        f.input.now_ns += 500000000;
        tm_epoch_result r{};
        tm_policy_epoch(f.policy, &f.input, Machine::walk, &f.machine, f.moves.data(), 8192, &r);
        for (uint32_t m = 0; m < r.moves; m++) {
            const tm_move& move = f.moves[m];
            const bool kept = move.demote_space == 1 && move.demote_addr < kUsed;
            tm_outcome outcome{};
            for (uint32_t i = 0; kept && i < move.pages; i++)
                outcome.refused_demote[i / 64] |= uint64_t{1} << (i % 64);
            if (!kept)
                outcome = f.machine.carry_out(move);
            vain.at(e < 200 ? 0 : 1) += kept ? move.pages : 0;
            demoted += kept || move.demote_space != 1 ? 0 : move.pages;
            tm_policy_moved(f.policy, &move, &outcome);
        }
        f.check();
    }
    cr_assert_geq(demoted, 8192U, "%lu; in vain %lu, then %lu", demoted, vain[0], vain[1]);
    cr_assert_leq(vain[1], vain[0], "%lu, then %lu", vain[0], vain[1]);
}

// What is hot in one space is kept when another, which maps it too, proposes to demote it; what is as cold there is not.
Test(policy, what_is_hot_elsewhere_is_kept) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    tm_policy_space_add(f.policy, 2, 0);
    f.machine.map(1, kHeap, 4096, true);
    f.machine.map(1, kHeap + 32 * kMiB, 4096, false);
    f.machine.map(2, kHeap, 4096, true);
    f.input.fast_quota = 32 * kMiB;
    cr_assert_eq(tm_policy_keeps(f.policy, 1, kHeap), 0);
    for (int e = 0; e < 20; e++) {
        f.samples(1, kHeap, 4 * kMiB, 4000);
        f.samples(1, kHeap + 40 * kMiB, 4 * kMiB, 4000);
        f.epoch();
    }
    cr_assert_eq(tm_policy_keeps(f.policy, 1, kHeap), 1);
    cr_assert_eq(tm_policy_keeps(f.policy, 1, kHeap + 16 * kMiB), 0);
    cr_assert_eq(tm_policy_keeps(f.policy, 2, kHeap), 0);
    // A shrink that asks for more than is cold gives that up, too.
    tm_policy_shrink(f.policy, 32 * kMiB, Machine::walk, &f.machine, f.moves.data(), 8192);
    cr_assert_eq(tm_policy_keeps(f.policy, 1, kHeap), 0);
    cr_assert_eq(tm_policy_keeps(f.policy, 3, kHeap), TM_ERR_ABSENT);
    cr_assert_eq(tm_policy_keeps(f.policy, 1, ~uint64_t{0}), TM_ERR_ARGUMENT);
}

// The room that was made is there, and what has left it is not counted there any more.
Test(policy, a_pair_may_be_done_by_half) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, kHeap, 512, true);
    f.machine.map(1, kHeap + 2 * kMiB, 512, false);
    f.samples(1, kHeap, 4 * kMiB, 5000);
    f.epoch();
    tm_outcome half{};
    half.demoted[0] = 0xff;
    half.refused_promote[0] = 0xff;
    const tm_move m{1, kHeap + 2 * kMiB, 1, kHeap, 512, 0, 0, 0};
    tm_policy_moved(f.policy, &m, &half);
    uint64_t fast = 0;
    std::array<tm_range, 64> ranges{};
    const int nr = tm_policy_ranges(f.policy, 1, 0, ranges.data(), ranges.size());
    for (int i = 0; i < nr; i++)
        fast += ranges.at(i).fast_pages;
    cr_assert_eq(fast, 504U);
    cr_assert_eq(f.stats().moves_done, 0U);
    cr_assert_eq(f.stats().moves_failed, 512U);
    f.check();
}

Test(policy, reports_about_nothing_are_ignored) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    tm_move m{1, kHeap, 5, kHeap, 0, 0, 0, 0};
    tm_policy_moved(f.policy, nullptr, nullptr);
    tm_policy_moved(f.policy, &m, nullptr);
    m.pages = 513;
    tm_policy_moved(f.policy, &m, nullptr);
    cr_assert_eq(f.stats().moves_done, 0U);
    m.pages = 512;
    m.promote_addr = ~uint64_t{0};
    tm_policy_moved(f.policy, &m, nullptr);
    m.promote_addr = kHeap + 511 * 4096; // crosses a window: cut off
    tm_policy_moved(f.policy, &m, nullptr);
    f.check();
}

Test(policy, new_memory_finds_room) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, kHeap, 16384, true);
    f.input.fast_quota = 16384 * 4096;
    f.input.new_bytes = 500 * 4096;
    const auto room_after_epoch = [&] {
        f.samples(1, kHeap, 64 * kMiB, 5000);
        f.epoch();
        return f.input.fast_quota / 4096 - f.machine.fast.size();
    };
    cr_assert_eq(room_after_epoch(), 0U, "what there was before");
    for (int e = 1; e < 3; e++)
        cr_assert_eq(room_after_epoch(), 0U, "a burst that may be all of it");
    for (int e = 0; e < 3; e++)
        cr_assert_eq(room_after_epoch(), 936U, "twice what comes, less what is forgotten in two epochs");
    f.input.new_bytes = ~uint64_t{0};
    for (int e = 0; e < 3; e++)
        room_after_epoch();
    cr_assert_eq(room_after_epoch(), 1024U, "a sixteenth at most");
    f.input.new_bytes = 0;
    for (int e = 0; e < 11; e++)
        cr_assert_eq(room_after_epoch(), 1024U, "steps may be seconds apart");
    for (int e = 0; e < 200; e++)
        room_after_epoch();
    cr_assert_eq(room_after_epoch(), 0U, "forgotten");
}

// The host takes memory of which a part was free.
Test(policy, what_the_host_takes_is_no_new_memory) {
    for (const uint32_t shrinking : {0U, 1U}) {
        Fixture f;
        tm_policy_space_add(f.policy, 1, 0);
        f.machine.map(1, kHeap, 8192, true);
        f.input.fast_quota = 16384 * 4096;
        for (int e = 0; e < 6; e++) {
            f.samples(1, kHeap, 32 * kMiB, 5000);
            f.epoch();
        }
        f.input.shrinking = shrinking;
        for (int e = 0; e < 4; e++) {
            f.samples(1, kHeap, 32 * kMiB, 5000);
            f.input.fast_quota -= 1024 * 4096ULL;
            f.epoch();
        }
        cr_assert_eq(f.policy->demand.expected() != 0, shrinking == 0);
    }
}

Test(policy, the_minimum_of_a_space_is_spared) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    tm_policy_space_add(f.policy, 2, 0);
    f.machine.map(1, kHeap, 4096, true);
    f.machine.map(2, kHeap, 4096, false);
    f.input.fast_quota = 4096 * 4096;
    tm_policy_space_qos(f.policy, 1, 16, 4096 * 4096);
    for (int e = 0; e < 8; e++) {
        f.samples(2, kHeap, 16 * kMiB, 5000);
        f.samples(1, kHeap, 16 * kMiB, 100);
        f.epoch();
    }
    cr_assert_eq(f.fast_in(1, kHeap, 16 * kMiB), 4096U);
    // Others' pages on tier 0, however warm, still make room.
    tm_policy_space_add(f.policy, 3, 0);
    f.machine.map(3, kHeap, 1024, true);
    f.input.fast_quota = (4096 + 1024) * 4096;
    for (int e = 0; e < 8; e++) {
        f.samples(2, kHeap, 16 * kMiB, 5000);
        f.samples(1, kHeap, 16 * kMiB, 100);
        f.samples(3, kHeap, 4 * kMiB, 100);
        f.epoch();
    }
    cr_assert_eq(f.fast_in(1, kHeap, 16 * kMiB), 4096U);
    cr_assert_eq(f.fast_in(2, kHeap, 16 * kMiB), 1024U);
    tm_policy_space_remove(f.policy, 3);
    std::erase_if(f.machine.present, [](const auto& page) { return page.first == 3; });
    tm_policy_space_qos(f.policy, 1, 16, 0);
    for (int e = 0; e < 8; e++) {
        f.samples(2, kHeap, 16 * kMiB, 5000);
        f.samples(1, kHeap, 16 * kMiB, 100);
        f.epoch();
    }
    cr_assert_eq(f.fast_in(2, kHeap, 16 * kMiB), 4096U);
}

Test(policy, weight_decides_between_equals) {
    Fixture f;
    for (uint64_t s = 1; s <= 2; s++) {
        tm_policy_space_add(f.policy, s, 0);
        f.machine.map(s, kHeap, 4096, s == 1);
    }
    f.input.fast_quota = 4096 * 4096;
    tm_policy_space_qos(f.policy, 2, 64, 0);
    for (int e = 0; e < 12; e++) {
        f.samples(1, kHeap, 16 * kMiB, 4000);
        f.samples(2, kHeap, 16 * kMiB, 4000);
        f.epoch();
    }
    cr_assert_gt(f.fast_in(2, kHeap, 16 * kMiB), 4000U);
}

// Pages on tier 1 that are twice as hot as those on tier 0: at 18 us a page exchanging
// them is repaid within the horizon, at ten times that it is not.
Test(policy, what_a_move_costs_now_decides_whether_it_pays) {
    for (const uint32_t cost_ns : {0U, 18000U, 180000U}) {
        Fixture f;
        tm_policy_space_add(f.policy, 1, 0);
        f.machine.map(1, kHeap, 1024, false);
        f.machine.map(1, kHeap + 4 * kMiB, 1024, true);
        f.input.fast_quota = 4 * kMiB;
        f.input.move_cost_ns = cost_ns;
        for (int e = 0; e < 60; e++) {
            f.samples(1, kHeap, 4 * kMiB, 400);
            f.samples(1, kHeap + 4 * kMiB, 4 * kMiB, 200);
            f.epoch();
        }
        const uint64_t fast = f.fast_in(1, kHeap, 4 * kMiB);
        cr_assert_eq(fast > 0, cost_ns < 180000, "%u ns a page: %lu are fast", cost_ns, fast);
    }
}

Test(policy, curve_and_ranges) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    tm_curve_point points[TM_CURVE_POINTS];
    cr_assert_eq(tm_policy_curve(f.policy, points), 0U);
    f.machine.map(1, kHeap, 16384, false);
    for (int e = 0; e < 8; e++) {
        f.samples(1, kHeap, 8 * kMiB, 4000);
        f.samples(1, kHeap, 64 * kMiB, 1000);
        f.epoch();
    }
    const uint32_t n = tm_policy_curve(f.policy, points);
    cr_assert(n >= 2 && n <= TM_CURVE_POINTS);
    for (uint32_t i = 1; i < n; i++) {
        cr_assert_gt(points[i].bytes, points[i - 1].bytes);
        cr_assert_geq(points[i].accesses, points[i - 1].accesses);
    }
    cr_assert(points[n - 1].accesses > 400000 && points[n - 1].accesses < 600000, "%lu of 500,000 an epoch",
              points[n - 1].accesses);
    // Half the pace in the same places halves it long before the averages have followed.
    const uint64_t before = points[n - 1].accesses;
    for (int e = 0; e < 16; e++) {
        f.samples(1, kHeap, 8 * kMiB, 2000);
        f.samples(1, kHeap, 64 * kMiB, 500);
        f.epoch();
    }
    const uint32_t then = tm_policy_curve(f.policy, points);
    cr_assert(points[then - 1].accesses > before * 45 / 100 && points[then - 1].accesses < before * 65 / 100,
              "%lu of %lu", points[then - 1].accesses, before);
    tm_range ranges[100];
    const int all = tm_policy_ranges(f.policy, 1, 0, ranges, 100);
    cr_assert_eq(static_cast<uint32_t>(all), f.stats().ranges);
    cr_assert_eq(ranges[all - 1].end, uint64_t{1} << 47);
    cr_assert_eq(tm_policy_ranges(f.policy, 1, kHeap, ranges, 1), 1);
    cr_assert(ranges[0].start <= kHeap && ranges[0].end > kHeap);
    cr_assert_eq(tm_policy_ranges(f.policy, 1, uint64_t{1} << 60, ranges, 100), 0);
    cr_assert_eq(tm_policy_ranges(f.policy, 2, 0, ranges, 100), TM_ERR_ABSENT);
    uint64_t heat = 0;
    cr_assert_eq(tm_policy_page_heat(f.policy, 2, 0, &heat), TM_ERR_ABSENT);
    cr_assert_eq(tm_policy_page_heat(f.policy, 1, uint64_t{1} << 50, &heat), TM_ERR_ARGUMENT);
}

Test(policy, walks_may_fail_and_lie) {
    for (const int fail_after : {0, 3, 50}) {
        Fixture f;
        tm_policy_space_add(f.policy, 1, 0);
        f.machine.map(1, kHeap, 16384, false);
        f.machine.fail_after = fail_after;
        f.machine.lie = fail_after == 50;
        f.input.fast_quota = 16 * kMiB;
        for (int e = 0; e < 6; e++) {
            f.samples(1, kHeap, 64 * kMiB, 2000);
            f.epoch();
        }
    }
}

Test(policy, the_walk_budget_holds) {
    tm_policy_config c = defaults();
    c.walk_windows = 16;
    Fixture f(c);
    for (uint64_t s = 0; s < 5; s++) {
        tm_policy_space_add(f.policy, s, 0);
        f.machine.map(s, kHeap, 8192, s == 0);
    }
    f.input.fast_quota = 8192 * 4096;
    for (int e = 0; e < 60; e++) {
        const int before = f.machine.walks;
        for (uint64_t s = 0; s < 5; s++)
            f.samples(s, kHeap, 32 * kMiB, s == 3 ? 3000 : 100);
        f.epoch();
        cr_assert_leq(f.machine.walks - before, 16);
    }
    cr_assert_gt(f.fast_in(3, kHeap, 32 * kMiB), 7000U, "it takes longer, but gets there");
}

Test(policy, without_walks_nothing_is_assumed) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    for (int e = 0; e < 6; e++) {
        f.samples(1, kHeap, 16 * kMiB, 2000, TM_TIER_SLOW);
        f.input.now_ns += 500000000;
        f.input.fast_free_huge = f.input.fast_free = f.input.fast_quota = 64 * kMiB;
        tm_epoch_result r{};
        cr_assert_eq(tm_policy_epoch(f.policy, &f.input, nullptr, nullptr, f.moves.data(), 8192, &r), 0);
        cr_assert_eq(r.fast_milli, 0U);
        cr_assert_eq(r.moves, 0U);
        f.check();
    }
}

// Three of four windows die on tier 0 and are unmapped, which nobody tells: pages that are
// no more must not stand for cold ones that could be demoted.
Test(policy, what_is_unmapped_is_found_out) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    tm_policy_space_add(f.policy, 2, 0);
    f.machine.map(1, kHeap, 2048, true);
    f.machine.map(2, kHeap, 512, false);
    f.input.fast_quota = 2048 * 4096;
    for (int e = 0; e < 10; e++) {
        f.samples(1, kHeap, 8 * kMiB, 2000);
        f.epoch();
    }
    for (int e = 0; e < 100; e++) {
        f.samples(1, kHeap, 2 * kMiB, 100);
        f.epoch();
    }
    const auto gone = [](const auto& page) { return page.first == 1 && page.second >= kHeap / 4096 + 512; };
    std::erase_if(f.machine.present, gone);
    std::erase_if(f.machine.fast, gone);
    f.input.fast_quota = 512 * 4096; // nothing is free
    for (int e = 0; e < 40; e++) {
        f.samples(1, kHeap, 2 * kMiB, 100);
        f.samples(2, kHeap, 2 * kMiB, 5000);
        f.epoch();
    }
    cr_assert_gt(f.fast_in(2, kHeap, 2 * kMiB), 400U);
}

// The lock of a busy process is not free for each third of the walks.
Test(policy, a_walk_that_fails_does_not_set_the_hand_back) {
    static constexpr int kThird = 3;
    const auto walk = [](void* context, uint64_t space, uint64_t start, uint64_t end, tm_window* window) {
        auto& m = *static_cast<Machine*>(context);
        if (m.walks % kThird != 0)
            return Machine::walk(context, space, start, end, window);
        m.walks++;
        return TM_ERR_ABSENT;
    };
    tm_policy_config config = defaults();
    config.walk_windows = 32;
    Fixture f(config);
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, 0x100000000000, 512 * 512, true);
    uint64_t known = 0;
    for (int e = 0; e < 400 && known == 0; e++) {
        f.input.now_ns += 500000000;
        tm_epoch_result r{};
        cr_assert_eq(tm_policy_epoch(f.policy, &f.input, walk, &f.machine, f.moves.data(), 0, &r), 0);
        tm_range range{};
        cr_assert_eq(tm_policy_ranges(f.policy, 1, 0x100000000000, &range, 1), 1);
        known = range.fast_pages;
    }
    cr_assert_eq(known, 512 * 512U);
}

// The hand is in the middle of a large range when that is split: what it has counted is not all in the first part.
Test(policy, what_was_split_under_the_hand_has_no_sum) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    tiermem::RangeTree& tree = f.policy->spaces.find(1)->tree;
    constexpr uint64_t base = 0x100000000000;
    constexpr uint64_t pages = 256 * 512;
    f.machine.map(1, base, pages, true);
    const auto split_below = [&](uint64_t most) {
        while (tree.node(tree.find(base)).pages() > most)
            f.samples(1, base, 4096, 1);
    };
    const auto turn = [&](uint32_t windows) {
        tiermem::Walker walker(Machine::walk, &f.machine, 4 * windows);
        f.policy->residency.refresh(f.policy->spaces, walker);
    };
    split_below(pages);
    turn(128);
    split_below(pages - 1);
    const tiermem::Node& first = tree.node(tree.find(base));
    const tiermem::Node& last = tree.node(tree.find(base + (pages - 1) * 4096));
    cr_assert_eq(first.pages(), pages / 4);
    turn(130); // to the end
    cr_assert_eq(last.present_pages, pages / 4);
    cr_assert_neq(first.present_pages, first.pages(), "half of the whole, cut to what the part can have");
    turn(256);
    cr_assert_eq(first.present_pages, pages / 4);
}

// A window that is answered with no page says how far the search has come.
Test(policy, an_empty_window_is_an_answer) {
    const auto walk = [](void* context, uint64_t space, uint64_t start, uint64_t end, tm_window* window) {
        const uint64_t step = 64 * kMiB;
        auto& m = *static_cast<Machine*>(context);
        const int found = Machine::walk(context, space, start, end < start + step ? end : start + step, window);
        if (found != 0 || end <= start + step)
            return found;
        m.walks++;
        window->start = start + step - 2 * kMiB;
        return 1;
    };
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, 640 * kMiB, 1024, true);
    tm_epoch_result r{};
    f.input.now_ns += 500000000;
    cr_assert_eq(tm_policy_epoch(f.policy, &f.input, walk, &f.machine, f.moves.data(), 0, &r), 0);
    cr_assert_eq(f.policy->spaces.find(1)->tree.node(0).walk_age, 255, "64 walks go not so far as to the end");
    f.samples(1, 640 * kMiB, 4 * kMiB, 5000);
    for (int e = 0; e < 8; e++) {
        f.samples(1, 640 * kMiB, 4 * kMiB, 5000);
        f.input.now_ns += 500000000;
        cr_assert_eq(tm_policy_epoch(f.policy, &f.input, walk, &f.machine, f.moves.data(), 0, &r), 0);
    }
    tm_range range{};
    cr_assert_eq(tm_policy_ranges(f.policy, 1, 640 * kMiB, &range, 1), 1);
    cr_assert_eq(range.fast_pages, 512U);
}

// Single pages are proposed where what is hot is scattered; one of them is pinned.
Test(policy, a_refused_page_does_not_hide_the_rest_of_its_range) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    constexpr uint64_t cold = 0x100000000000;
    f.machine.map(1, cold, 2048, true);
    f.machine.map(1, kHeap, 512, false);
    f.input.fast_quota = 2048 * 4096;
    f.epoch();
    tiermem::Space& space = *f.policy->spaces.find(1);
    cr_assert_gt(space.tree.node(space.tree.find(cold)).order, tiermem::kLeafOrder);
    constexpr uint64_t none[8] = {}, first[8] = {1};
    tiermem::note_moved(space, cold + 5 * 4096, 1, none, first, tiermem::Direction::kDemote);
    cr_assert_eq(space.tried % (2 * kMiB), 0U);
    for (int e = 0; e < 8; e++) {
        f.samples(1, kHeap, 2 * kMiB, 5000);
        f.epoch();
    }
    cr_assert_eq(f.fast_in(1, kHeap, 2 * kMiB), 512U);
    // What is behind it has gone: the first window has its turn again.
    for (uint64_t p = 512; p < 2048; p++)
        f.machine.fast.erase({1, cold / 4096 + p});
    f.machine.map(1, kHeap + 2 * kMiB, 512, false);
    f.input.fast_quota = f.machine.fast.size() * 4096;
    for (int e = 0; e < 8; e++) {
        f.samples(1, kHeap, 4 * kMiB, 10000);
        f.epoch();
    }
    cr_assert_eq(space.tried, 0U);
    cr_assert_eq(f.fast_in(1, kHeap, 4 * kMiB), 1024U);
}

// A walk that fails says nothing of what comes behind.
Test(policy, a_range_that_a_plan_went_over_in_part_is_left_as_it_was) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    constexpr uint64_t cold = 0x100000000000;
    f.machine.map(1, cold, 2048, false);
    f.machine.map(1, kHeap, 512, false);
    for (int e = 0; e < 3; e++) {
        f.samples(1, kHeap, 2 * kMiB, 5000);
        f.epoch();
    }
    tiermem::RangeTree& tree = f.policy->spaces.find(1)->tree;
    tiermem::Node& n = tree.node(tree.find(cold));
    n.present_pages = 2048;
    n.fast_pages = 1024;
    n.walk_age = 0;
    const auto walk = [](void* context, uint64_t space, uint64_t start, uint64_t end, tm_window* window) {
        const bool behind = start > cold && start < cold + 8 * kMiB;
        return behind ? int{TM_ERR_ABSENT} : Machine::walk(context, space, start, end, window);
    };
    f.samples(1, kHeap, 2 * kMiB, 5000);
    f.input.now_ns += 500000000;
    tm_epoch_result r{};
    cr_assert_eq(tm_policy_epoch(f.policy, &f.input, walk, &f.machine, f.moves.data(), 8192, &r), 0);
    cr_assert_eq(n.fast_pages, 1024U);
    cr_assert_eq(n.present_pages, 2048U);
}

// Else a few hot pages that are to trade with it would wait until the hand comes by.
Test(policy, a_range_that_a_plan_went_over_is_known) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    constexpr uint64_t cold = 0x100000000000;
    f.machine.map(1, cold, 2048, false);
    f.machine.map(1, kHeap, 512, false);
    for (int e = 0; e < 3; e++) {
        f.samples(1, kHeap, 2 * kMiB, 5000);
        f.epoch();
    }
    tiermem::RangeTree& tree = f.policy->spaces.find(1)->tree;
    tiermem::Node& n = tree.node(tree.find(cold));
    cr_assert_gt(n.order, tiermem::kLeafOrder);
    n.present_pages = 2048;
    n.fast_pages = 1024;
    n.walk_age = 0;
    f.samples(1, kHeap, 2 * kMiB, 5000);
    f.epoch();
    cr_assert_eq(n.fast_pages, 0U);
    cr_assert_eq(n.present_pages, 2048U);
}

Test(policy, coarse_cold_ranges_give_up_their_fast_pages) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    // Never touched: known from the hand's walks only.
    f.machine.map(1, 0x100000000000, 2048, true);
    f.machine.map(1, 0x300000000000, 2048, true);
    f.machine.map(1, kHeap, 4096, false);
    f.input.fast_quota = 4096 * 4096;
    for (int e = 0; e < 10; e++) {
        f.samples(1, kHeap, 16 * kMiB, 5000);
        f.epoch();
    }
    cr_assert_gt(f.fast_in(1, kHeap, 16 * kMiB), 4000U);
}

// A plan's walks do not reach over all of it: each goes on where the last one ended.
Test(policy, fast_pages_at_the_end_of_a_large_cold_range_are_found) {
    tm_policy_config config = defaults();
    config.walk_windows = 16;
    Fixture f(config);
    tm_policy_space_add(f.policy, 1, 0);
    f.machine.map(1, 0x100000000000, 16384, false);
    f.machine.map(1, 0x100000000000 + 64 * kMiB, 4096, true);
    f.machine.map(1, kHeap, 4096, false);
    f.input.fast_quota = 4096 * 4096;
    for (int e = 0; e < 60; e++) {
        f.samples(1, kHeap, 16 * kMiB, 5000);
        f.epoch();
    }
    cr_assert_gt(f.fast_in(1, kHeap, 16 * kMiB), 4000U);
}

Test(policy, ranges_whose_walks_find_nothing_are_walked_ever_less) {
    Fixture f;
    tm_policy_space_add(f.policy, 1, 0);
    // Sampled, and never to be seen in a walk, as what is locked in memory.
    for (int e = 0; e < 100; e++) {
        f.samples(1, kHeap, 16 * kMiB, 5000);
        f.epoch();
    }
    const int before = f.machine.walks;
    for (int e = 0; e < 64; e++) {
        f.samples(1, kHeap, 16 * kMiB, 5000);
        f.epoch();
    }
    // Twice each of the eight windows, and the hand's one question an epoch.
    cr_assert_leq(f.machine.walks - before, 64 + 3 * 8, "%d", f.machine.walks - before);
    // What comes where samples never told of anything is still found at once.
    f.machine.map(1, kHeap + 64 * kMiB, 512, false);
    f.input.fast_quota = 4096 * 4096;
    for (int e = 0; e < 8; e++) {
        f.samples(1, kHeap + 64 * kMiB, 2 * kMiB, 5000);
        f.epoch();
    }
    cr_assert_gt(f.fast_in(1, kHeap + 64 * kMiB, 2 * kMiB), 400U);
}

Test(policy, broken_accounts_are_found) {
    Fixture f;
    f.policy->stats.bytes++;
    cr_assert_eq(tm_policy_validate(f.policy), 10);
    f.policy->stats.bytes--;
    tm_policy_space_add(f.policy, 1, 0);
    f.policy->spaces.find(1)->tree.node(0).order = 3;
    cr_assert_eq(tm_policy_validate(f.policy), 2);
    f.policy->spaces.find(1)->tree.node(0).order = 47;
    f.check();
}
