// SPDX-License-Identifier: GPL-2.0-or-later
// budget_test.cpp - an amount per second that holds in every ten seconds
#include <criterion/criterion.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "budget.h"

namespace {
constexpr uint64_t kSecond = 1000000000;
constexpr uint64_t kEpoch = kSecond / 4;

// Takes a part of what is left in each epoch; what each epoch got.
std::vector<uint64_t> take(uint64_t part, unsigned epochs, uint64_t per_second) {
    tm_budget budget;
    tm_budget_reset(&budget, 7 * kSecond);
    std::vector<uint64_t> taken;
    for (unsigned e = 0; e < epochs; e++) {
        const uint64_t now = 7 * kSecond + e * kEpoch;
        taken.push_back(tm_budget_left(&budget, now, per_second) / part);
        tm_budget_spend(&budget, now, taken.back());
    }
    return taken;
}

// The most that any ten seconds have seen.
uint64_t most(const std::vector<uint64_t>& taken) {
    uint64_t found = 0;
    for (auto from = taken.begin(); taken.end() - from >= 40; ++from)
        found = std::max(found, std::accumulate(from, from + 40, uint64_t{0}));
    return found;
}
} // namespace

Test(budget, ten_seconds_worth_at_once_and_no_more) {
    tm_budget budget;
    tm_budget_reset(&budget, 0);
    cr_assert_eq(tm_budget_left(&budget, 0, 100), 1000U);
    tm_budget_spend(&budget, 0, 1000);
    cr_assert_eq(tm_budget_left(&budget, 0, 100), 0U);
    cr_assert_eq(tm_budget_left(&budget, 10 * kSecond, 100), 0U, "it may have been spent at the end of its slot");
    cr_assert_eq(tm_budget_left(&budget, 10 * kSecond + kEpoch, 100), 1000U);
}

Test(budget, holds_in_all_windows_and_is_used) {
    for (const uint64_t part : {1U, 4U, 10U}) {
        const std::vector<uint64_t> taken = take(part, 400, 100000);
        cr_assert_leq(most(taken), 1000000U, "a part of 1/%lu", part);
        const uint64_t all = std::accumulate(taken.begin(), taken.end(), uint64_t{0});
        cr_assert_geq(all, part == 10 ? 8000000U : 9000000U, "of 10,000,000 a part of 1/%lu got %lu", part, all);
    }
}

Test(budget, parts_smooth_what_began_as_a_burst) {
    const std::vector<uint64_t> taken = take(4, 2000, 100000);
    cr_assert_eq(taken[0], 250000U, "a quarter of ten seconds' worth at once");
    const auto [low, high] = std::minmax_element(taken.end() - 80, taken.end());
    cr_assert_lt(*high, *low * 3 / 2, "%lu to %lu", *low, *high);
}

Test(budget, debts_are_paid_by_waiting) {
    tm_budget budget;
    tm_budget_reset(&budget, 0);
    tm_budget_spend(&budget, kSecond, 5000);
    tm_budget_spend(&budget, 5 * kSecond, 10);
    cr_assert_eq(tm_budget_left(&budget, 11 * kSecond, 100), 0U);
    cr_assert_eq(tm_budget_left(&budget, 11 * kSecond + kEpoch, 100), 990U);
    cr_assert_eq(tm_budget_left(&budget, 16 * kSecond, 100), 1000U);
}

Test(budget, odd_times_and_amounts) {
    tm_budget budget;
    tm_budget_reset(&budget, 100 * kSecond);
    tm_budget_spend(&budget, 99 * kSecond, 10);
    cr_assert_eq(tm_budget_left(&budget, 100 * kSecond, 100), 990U, "time that went backwards is now");
    tm_budget_spend(&budget, 100 * kSecond, ~uint64_t{0});
    tm_budget_spend(&budget, 101 * kSecond, ~uint64_t{0});
    cr_assert_eq(tm_budget_left(&budget, 101 * kSecond, ~uint64_t{0}), 0U);
    cr_assert_eq(tm_budget_left(&budget, ~uint64_t{0}, ~uint64_t{0}), ~uint64_t{0});
    cr_assert_eq(tm_budget_left(&budget, ~uint64_t{0}, 0), 0U);
}
