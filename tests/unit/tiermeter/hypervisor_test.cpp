// SPDX-License-Identifier: GPL-2.0-or-later
// The model of tiering from outside of the guest: what it sees, moves and charges.
#include "hypervisor.h"

#include <criterion/criterion.h>
#include <random>

using tiermeter::HypervisorSettings;
using tiermeter::HypervisorTiering;

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t walk_ns = 120;      // 24 references of 5 ns
constexpr std::uint64_t copy_ns = 64 * 280; // a line at a time, from 200 ns to 80 ns or back
constexpr std::uint64_t second = 1'000'000'000;

HypervisorSettings settings(std::uint64_t fast_pages) {
    HypervisorSettings made;
    made.fast = fast_pages * page;
    made.bandwidth = 1 << 30;
    return made;
}

HypervisorTiering tiering(const HypervisorSettings& settings) {
    return {settings, {80, 200}, 1, 64};
}

std::uint64_t fast_pages(const HypervisorTiering& tiering, std::uint64_t touched) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i < touched; i++)
        count += tiering.tier(i) == 0;
    return count;
}

// An interval in which pages first <= p < end are used, and all exchanges after it.
std::uint64_t live(HypervisorTiering& tiering, std::uint64_t interval, std::uint64_t first,
                   std::uint64_t end) {
    std::uint64_t ns = 0;
    for (std::uint64_t i = first; i < end; i++)
        ns += tiering.touch(i);
    for (std::uint64_t now = interval * second; now < interval * second + second / 2; now += 10'000)
        ns += tiering.advance(now);
    return ns;
}

} // namespace

Test(hypervisor, gives_fast_memory_to_who_comes_first) {
    auto model = tiering(settings(8));
    for (std::uint64_t i = 0; i < 20; i++)
        cr_assert(model.touch(i) == walk_ns);
    for (std::uint64_t i = 0; i < 20; i++)
        cr_assert(model.tier(i) == (i < 8 ? 0 : 1));
}

Test(hypervisor, a_page_is_walked_once_in_an_interval) {
    auto model = tiering(settings(8));
    cr_assert(model.touch(1) == walk_ns);
    cr_assert(model.touch(1) == 0);
    cr_assert(model.advance(second - 1) == 0);
    cr_assert(model.advance(second) == 2000); // the flush
    cr_assert(model.touch(1) == walk_ns);
    cr_assert(model.counts().walks == 2 && model.counts().scans == 1);
    cr_assert(model.counts().tracking_ns == 2 * walk_ns + 2000);
}

Test(hypervisor, exchanges_what_is_hot_on_slow_with_what_is_cold_on_fast) {
    auto model = tiering(settings(8));
    live(model, 1, 0, 24);
    cr_assert(model.counts().moved == 0); // all are as hot
    for (std::uint64_t interval = 2; interval < 5; interval++)
        live(model, interval, 16, 24);
    for (std::uint64_t i = 16; i < 24; i++)
        cr_assert(model.tier(i) == 0, "page %lu", static_cast<unsigned long>(i));
    cr_assert(fast_pages(model, 24) == 8);
    cr_assert(model.counts().moved == 16);
    cr_assert(model.counts().copy_ns == 16 * copy_ns);
}

Test(hypervisor, moves_no_more_than_a_batch_nor_faster_than_the_bandwidth) {
    auto limited = settings(8);
    limited.batch = 4;
    limited.bandwidth = 2 * page * 10; // ten exchanges a second
    auto model = tiering(limited);
    live(model, 1, 0, 24);
    for (std::uint64_t i = 16; i < 24; i++)
        (void)model.touch(i);
    (void)model.advance(2 * second);
    cr_assert(model.counts().moved == 2);
    (void)model.advance(2 * second + second / 10 - 1);
    cr_assert(model.counts().moved == 2);
    (void)model.advance(2 * second + second / 10);
    cr_assert(model.counts().moved == 4);
    (void)model.advance(2 * second + second / 2);
    cr_assert(model.counts().moved == 4); // the batch
}

Test(hypervisor, what_is_not_charged_happens_all_the_same) {
    auto free = settings(8);
    free.charge_tracking = false;
    auto model = tiering(free);
    live(model, 1, 0, 24);
    std::uint64_t ns = 0;
    for (std::uint64_t interval = 2; interval < 5; interval++)
        ns += live(model, interval, 16, 24);
    cr_assert(model.counts().moved == 16);
    cr_assert(model.counts().tracking_ns == 0);
    cr_assert(ns == 16 * copy_ns);
    free.charge_copies = false;
    auto all_free = tiering(free);
    live(all_free, 1, 0, 24);
    cr_assert(live(all_free, 2, 16, 24) == 0 && live(all_free, 3, 16, 24) == 0);
    cr_assert(all_free.counts().moved == 16);
}

Test(hypervisor, fast_memory_is_never_more_than_there_is) {
    auto few = settings(8);
    few.batch = 6;
    auto model = tiering(few);
    std::mt19937 random(1);
    std::uint64_t now = 0;
    for (int i = 0; i < 20'000; i++) {
        (void)model.touch((random() * std::uint64_t{random() % 64}) >> 32);
        (void)model.advance(now += 50'000'000);
    }
    cr_assert(model.counts().moved > 0);
    cr_assert(fast_pages(model, 64) == 8);
}
