// SPDX-License-Identifier: GPL-2.0-or-later
// period_test.cpp - how densely to sample
#include <criterion/criterion.h>

#include "arith.hpp"
#include "period.hpp"
#include "ranking.hpp"

using namespace tiermem;

namespace {
tm_policy_config defaults() {
    tm_policy_config config;
    tm_policy_config_default(&config);
    return config;
}

// 0.5 % of 500 ms at 60 ns a sample are 41,666 samples. `uncertain` in 1/1000.
PeriodTerms terms(uint64_t accesses, uint32_t uncertain) {
    return {accesses, 500000000, 5, ~uint64_t{0}, uncertain * 1000, kMostStir, 4093};
}
} // namespace

Test(period, uncertainty_takes_the_whole_budget) {
    const tm_policy_config c = defaults();
    cr_assert_eq(next_period(c, terms(41666 * 200ULL, 1000)), 201U);
    cr_assert_eq(next_period(c, terms(41666 * 200ULL, 2)), 201U);
}

// 10,416 samples for 2.5 ms of gain, a quarter of what the budget has; and a thirty-second at least.
Test(period, little_gain_pays_for_few_samples) {
    const tm_policy_config c = defaults();
    PeriodTerms t = terms(41666 * 100ULL, 1000);
    t.gain_ns = 10000000;
    cr_assert_eq(next_period(c, t), 101U, "a quarter of it is the whole budget");
    t.gain_ns = 2500000;
    cr_assert_eq(next_period(c, t), 401U);
    t.gain_ns = 0;
    const uint32_t least = next_period(c, t);
    cr_assert(least >= 3199 && least <= 3205, "%u", least);
}

Test(period, little_doubt_takes_its_part) {
    tm_policy_config c = defaults();
    for (const uint32_t doubt : {2U, 64U}) {
        c.doubt_milli = doubt;
        const uint32_t half = next_period(c, terms(41666 * 100ULL, doubt / 2));
        cr_assert(half > 195 && half < 205, "%u", half);
    }
}

Test(period, doubt_weighs_less_while_nothing_moves) {
    tm_policy_config c = defaults();
    c.doubt_milli = 16;
    c.calm_doubt_milli = 48;
    PeriodTerms t = terms(41666 * 100ULL, 16);
    cr_assert_eq(next_period(c, t), 101U, "the whole budget while much is promoted");
    t.stir = kMostStir / 2;
    const uint32_t half = next_period(c, t);
    cr_assert(half > 195 && half < 205, "%u", half);
    t.stir = 0;
    const uint32_t third = next_period(c, t);
    cr_assert(third > 295 && third < 305, "%u", third);
    t.uncertain_ppm = 48000;
    cr_assert_eq(next_period(c, t), 101U, "what has changed is sampled at once, moved or not");
}

Test(period, less_than_a_thousandth_counts) {
    const tm_policy_config c = defaults();
    PeriodTerms t = terms(41666 * 100ULL, 0);
    t.uncertain_ppm = c.doubt_milli * 1000 / 4;
    const uint32_t quarter = next_period(c, t);
    cr_assert(quarter > 395 && quarter < 405, "%u", quarter);
}

Test(period, certainty_takes_a_thirtysecond) {
    const tm_policy_config c = defaults();
    const uint32_t settled = next_period(c, terms(41666 * 100ULL, 0));
    cr_assert(settled > 3190 && settled < 3210, "%u", settled);
}

Test(period, limits) {
    tm_policy_config c = defaults();
    cr_assert_eq(next_period(c, terms(1, 1000)), c.period_min);
    cr_assert_eq(next_period(c, terms(~uint64_t{0}, 1000)), c.period_max);
    PeriodTerms none = terms(1000000, 1000);
    none.cpu_permille = 0;
    cr_assert_eq(next_period(c, none), c.period_max);
    PeriodTerms idle = terms(0, 1000);
    cr_assert_eq(next_period(c, idle), 4093U);
    c.sample_cost_ns = 0;
    cr_assert_eq(next_period(c, terms(1000, 1000)), c.period_min);
}

Test(period, small_differences_change_nothing) {
    const tm_policy_config c = defaults();
    PeriodTerms t = terms(41666 * 200ULL, 1000);
    t.current = 220;
    cr_assert_eq(next_period(c, t), 220U);
    t.current = 199;
    cr_assert_eq(next_period(c, t), 201U, "the budget comes first");
    t.current = 400;
    cr_assert_eq(next_period(c, t), 201U);
}
