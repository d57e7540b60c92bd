// SPDX-License-Identifier: GPL-2.0-or-later
// How long accesses to a tier take, with and without a limit of bandwidth.
#include "tier_timing.h"

#include <criterion/criterion.h>

using tiermeter::TierTiming;

Test(timing, without_a_limit_it_is_the_latency) {
    TierTiming timing({.node = 0, .latency = 80, .bandwidth = 0, .ranges = {}});
    cr_assert(!timing.limited());
    for (int i = 0; i < 100; i++)
        cr_assert(timing.serve(0, 64) == 80);
}

Test(timing, below_the_limit_it_is_the_latency) {
    TierTiming timing({.node = 0, .latency = 80, .bandwidth = 1'000'000'000, .ranges = {}});
    for (std::uint64_t now = 0; now < 6400; now += 64)
        cr_assert(timing.serve(now, 64) == 80);
}

Test(timing, accesses_at_once_wait_in_a_queue) {
    TierTiming timing({.node = 0, .latency = 80, .bandwidth = 1'000'000'000, .ranges = {}});
    for (std::uint64_t i = 0; i < 100; i++)
        cr_assert(timing.serve(0, 64) == 80 + i * 64);
    cr_assert(timing.serve(6400, 64) == 80);
}

Test(timing, one_vcpu_that_waits_gets_the_bandwidth) {
    TierTiming timing({.node = 0, .latency = 80, .bandwidth = 64'000'000, .ranges = {}});
    std::uint64_t now = 0;
    for (int i = 0; i < 1000; i++)
        now += timing.serve(now, 64);
    cr_assert(now == 999 * 1000 + 80); // 64 bytes a microsecond; the last latency comes on top
}

Test(timing, odd_bandwidths_do_not_drift) {
    TierTiming timing({.node = 0, .latency = 0, .bandwidth = 3'000'000'000, .ranges = {}});
    std::uint64_t last = 0;
    for (int i = 0; i < 1'000'001; i++)
        last = timing.serve(0, 64);
    cr_assert(last > 21'320'000 && last <= 21'333'333, "%lu", static_cast<unsigned long>(last));
}
