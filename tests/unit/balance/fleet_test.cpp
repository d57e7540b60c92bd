// SPDX-License-Identifier: GPL-2.0-or-later
// fleet_test.cpp - properties of whole runs with random machines: never more
// than the total, minima kept, quick to settle, quiet then, and near the best
#include <criterion/criterion.h>

#include <algorithm>
#include <functional>

#include "fleet.hpp"

using namespace tiermem::balance;
using fleet::between;
using fleet::GiB;
using fleet::Host;
using fleet::MiB;

namespace {
// Up to `most` machines with random values whose quotas fit into the total.
Host random_host(uint64_t seed, size_t most) {
    Host host(0, seed);
    fleet::Random& random = host.random;
    const size_t count = between(random, 1, most);
    host.options.policy = static_cast<Policy>(random() % 3);
    host.options.keep_share = random() % 2 ? 0 : static_cast<uint32_t>(random() % 1001);
    host.options.patience_ms = between(random, 1, 5) * fleet::kIntervalMs;
    for (size_t i = 0; i < count; i++) {
        const uint64_t block = uint64_t{4096} << (random() % 10);
        const uint64_t size = between(random, 64, 4096) * MiB / block * block;
        Machine machine = fleet::machine(size, 0, fleet::random_curve(random, size * 2));
        machine.block_size = block;
        machine.weight = static_cast<uint32_t>(between(random, 1, kMaxWeight));
        machine.service_class = static_cast<ServiceClass>(random() % 3);
        machine.cap = between(random, size / 2, size);
        machine.minimum = random() % (machine.cap / 4);
        machine.requested =
            (machine.minimum + between(random, 0, machine.cap / 2)) / block * block + block;
        machine.requested = std::min(machine.requested, size);
        machine.actual = machine.resident = machine.requested;
        host.add(machine);
        host.total += machine.requested;
    }
    host.total += between(random, 0, host.total / 4);
    return host;
}

void stir(Host& host) {
    fleet::Random& random = host.random;
    for (fleet::Guest& guest : host.guests) {
        if (random() % 10 == 0)
            guest.kind = static_cast<fleet::Kind>(random() % 3);
        if (random() % 15 == 0)
            guest.lies = !guest.lies;
        if (random() % 15 == 0)
            guest.caught = !guest.caught;
        if (random() % 10 == 0)
            guest.paused = !guest.paused;
        if (random() % 5 == 0)
            guest.reachable = random() % 2 == 0;
        if (random() % 20 == 0)
            guest.curve = fleet::random_curve(random, guest.seen.size * 2);
        guest.noise = random() % 50;
    }
}

uint64_t in_blocks(const Machine& machine) {
    return (machine.minimum + machine.block_size - 1) / machine.block_size * machine.block_size;
}

// Accesses a second if machine i has parts[i] units of fast memory.
uint64_t served(const Host& host, const std::vector<uint64_t>& parts, uint64_t unit) {
    uint64_t sum = 0;
    for (size_t i = 0; i < parts.size(); i++)
        sum +=
            rate_within(host.guests[i].curve, std::min(parts[i] * unit, host.guests[i].seen.cap));
    return sum;
}

// The best of all divisions of `units` between the machines.
uint64_t best_split(const Host& host, uint64_t units, uint64_t unit) {
    uint64_t best = 0;
    std::vector<uint64_t> parts(host.guests.size(), 0);
    const std::function<void(size_t, uint64_t)> try_all = [&](size_t i, uint64_t left) {
        if (i + 1 == parts.size()) {
            parts[i] = left;
            best = std::max(best, served(host, parts, unit));
            return;
        }
        for (parts[i] = 0; parts[i] <= left; parts[i]++)
            try_all(i + 1, left - parts[i]);
    };
    try_all(0, units);
    return best;
}

// Two to four machines of one class and weight on half of what they use.
Host small_host(uint64_t seed, uint64_t units) {
    Host host(0, seed);
    const size_t count = between(host.random, 2, 4);
    uint64_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const Curve curve = fleet::random_curve(host.random, between(host.random, 64, 2048) * MiB);
        used += curve.points[curve.count - 1].bytes;
        host.add(fleet::machine(4 * GiB, 0, curve));
    }
    const uint64_t unit = (used / 2 / units / MiB + 1) * MiB;
    host.total = unit * units;
    for (fleet::Guest& guest : host.guests)
        guest.requested = guest.resident = host.total / count / 4096 * 4096;
    return host;
}
} // namespace

Test(fleet, never_more_than_the_total_and_never_below_a_minimum) {
    for (uint64_t seed = 1; seed <= 150; seed++) {
        Host host = random_host(seed, 12);
        for (fleet::Guest& guest : host.guests)
            guest.seen.base = seed % 2 == 0 ? 0 : host.random() % (guest.seen.cap / 2);
        for (int i = 0; i < 60; i++) {
            stir(host);
            host.interval(100);
            cr_assert_leq(host.most_resident(), host.total, "seed %lu, interval %d", seed, i);
            cr_assert_eq(host.last.excess, 0U, "seed %lu, interval %d", seed, i);
            for (const fleet::Guest& guest : host.guests)
                cr_assert(guest.requested >= in_blocks(guest.seen) &&
                              guest.requested <= guest.seen.size &&
                              guest.requested % guest.seen.block_size == 0,
                          "seed %lu, interval %d: quota %#lx, minimum %#lx, block %#lx", seed, i,
                          guest.requested, in_blocks(guest.seen), guest.seen.block_size);
        }
    }
}

Test(fleet, a_smaller_total_is_reached) {
    for (uint64_t seed = 1; seed <= 50; seed++) {
        Host host = random_host(seed, 12);
        for (int i = 0; i < 3; i++)
            host.interval();
        uint64_t minima = 0;
        for (const fleet::Guest& guest : host.guests)
            minima += in_blocks(guest.seen);
        host.total = std::max(minima, host.total / 2);
        for (int i = 0; i < 3; i++)
            host.interval();
        cr_assert_eq(host.last.excess, 0U, "seed %lu", seed);
    }
}

Test(fleet, all_is_given_out) {
    for (uint64_t seed = 1; seed <= 100; seed++) {
        Host host = random_host(seed, 12);
        for (int i = 0; i < 6; i++)
            host.interval();
        uint64_t given = 0;
        uint64_t most = 0;
        uint64_t block = 0;
        for (const fleet::Guest& guest : host.guests) {
            given += guest.requested;
            most += guest.seen.cap / guest.seen.block_size * guest.seen.block_size;
            block = std::max(block, guest.seen.block_size);
        }
        cr_assert_geq(given + block, std::min(host.total, most), "seed %lu", seed);
    }
}

Test(fleet, settles_within_five_intervals) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        Host host = random_host(seed, 12);
        for (int i = 0; i < 5; i++)
            host.interval();
        for (int i = 0; i < 30; i++)
            cr_assert_leq(host.interval().moving, host.total / 100, "seed %lu, interval %d", seed,
                          i);
    }
}

Test(fleet, stays_quiet_when_curves_are_noisy) {
    uint64_t moved = 0;
    uint64_t most = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        Host host = random_host(seed, 12);
        for (fleet::Guest& guest : host.guests)
            guest.noise = 30;
        for (int i = 0; i < 20; i++)
            host.interval();
        for (int i = 0; i < 50; i++) {
            const uint64_t permille = host.interval().moving * 1000 / host.total;
            moved += permille;
            most = std::max(most, permille);
        }
    }
    cr_assert_leq(moved / (40 * 50), 10U, "%lu permille on average, %lu at most", moved / (40 * 50),
                  most);
}

Test(fleet, comes_near_the_best_split_and_beats_the_equal_one) {
    constexpr uint64_t units = 48;
    int heterogeneous = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        Host host = small_host(seed, units);
        const uint64_t unit = host.total / units;
        const uint64_t best = best_split(host, units, unit);
        const uint64_t equal = host.served();
        for (int i = 0; i < 5; i++)
            host.interval();
        cr_assert_geq(host.served() * 100, best * 97, "seed %lu: %lu of %lu", seed, host.served(),
                      best);
        if (best * 100 < equal * 124)
            continue;
        heterogeneous++;
        cr_assert_geq(host.served() * 10, equal * 12, "seed %lu: %lu over %lu", seed, host.served(),
                      equal);
    }
    cr_assert_gt(heterogeneous, 20, "%d", heterogeneous);
}

Test(fleet, follows_a_move_of_the_heat) {
    Host host(GiB);
    for (int i = 0; i < 3; i++)
        host.add(fleet::machine(GiB, GiB / 4, fleet::hot(768 * MiB, i == 0 ? 1000 : 10)));
    for (int round = 1; round < 6; round++) {
        for (size_t i = 0; i < 3; i++)
            host.guests[i].curve =
                fleet::hot(768 * MiB, i == static_cast<size_t>(round % 3) ? 1000 : 10);
        for (int i = 0; i < 5; i++)
            host.interval();
        cr_assert_eq(host.guests[static_cast<size_t>(round % 3)].requested, 768 * MiB, "round %d",
                     round);
    }
}
