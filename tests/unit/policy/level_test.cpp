// SPDX-License-Identifier: GPL-2.0-or-later
// level_test.cpp - what is believed at once, and what never
#include <criterion/criterion.h>

#include "level.hpp"

using tiermem::Level;

namespace {
constexpr uint32_t kWeight = 100;

bool epoch(Level& level, uint32_t count) {
    level.now = count;
    return level.settle(kWeight);
}

Level steady(uint32_t count, int epochs) {
    Level level{};
    for (int e = 0; e < epochs; e++)
        epoch(level, count);
    return level;
}
} // namespace

Test(level, nothing_stays_nothing) {
    Level level = steady(0, 5);
    cr_assert(level.dead());
    cr_assert_eq(level.average, 0U);
    cr_assert_eq(level.confident(kWeight), 0U);
    cr_assert_eq(level.age, 5);
}

Test(level, a_rise_is_believed_with_the_second_epoch_and_counted_on_with_the_third) {
    Level level = steady(0, 20);
    cr_assert_not(epoch(level, 100000));
    cr_assert(epoch(level, 100000));
    cr_assert_eq(level.average, 100000U);
    cr_assert_eq(level.age, 0);
    cr_assert_eq(level.confident(kWeight), 0U);
    cr_assert_not(epoch(level, 100000));
    cr_assert_gt(level.confident(kWeight), 60000U);
}

Test(level, a_long_epoch_makes_it_as_old_and_as_certain_as_short_ones) {
    Level one = steady(100000, 3);
    Level two = one;
    for (int e = 0; e < 9; e++) {
        epoch(one, 100000);
        epoch(one, 100000);
        two.now = 100000;
        cr_assert_not(two.settle(kWeight, 2));
    }
    cr_assert_eq(two.age, one.age);
    cr_assert_eq(two.error(kWeight), one.error(kWeight));
    cr_assert_eq(two.average, one.average);
}

Test(level, a_long_epoch_after_a_change_confirms_it_only) {
    Level level = steady(100000, 20);
    cr_assert_not(epoch(level, 10));
    cr_assert(epoch(level, 10));
    level.now = 10;
    cr_assert_not(level.settle(kWeight, 8));
    cr_assert_eq(level.age, 1);
    level.now = 10;
    cr_assert_not(level.settle(kWeight, 8));
    cr_assert_eq(level.age, 9);
}

Test(level, a_long_epoch_moves_the_average_as_far_as_short_ones_and_not_beyond_its_count) {
    Level level = steady(6400, 40);
    level.now = 6400 - 320; // within chance of samples of 100
    level.settle(kWeight, 8);
    cr_assert_eq(level.average, 6400U - 320 / 4, "8 of a memory of 32");
    level.now = 6400 - 320;
    level.settle(kWeight, 1000);
    cr_assert_eq(level.average, 6400U - 320);
}

Test(level, a_long_empty_epoch_fades_as_much_as_short_ones) {
    Level level = steady(3200, 40);
    level.before[0] = level.before[1] = 0;
    cr_assert_not(level.settle(16000, 8));
    cr_assert_eq(level.average, 2400U);
}

Test(level, one_burst_is_not_believed) {
    Level level = steady(0, 20);
    cr_assert_not(epoch(level, 1000000));
    cr_assert_leq(level.average, 1000000U / Level::kShortEpochs);
    for (int e = 0; e < 4; e++) {
        epoch(level, 0);
        cr_assert_eq(level.confident(kWeight), 0U, "%u of %u", level.confident(kWeight), level.average);
    }
}

Test(level, the_first_count_of_all_is_not_counted_on) {
    Level level{};
    epoch(level, 1000000);
    cr_assert_eq(level.confident(kWeight), 0U);
}

Test(level, what_an_address_space_begins_with_is_counted_on_with_the_second_epoch) {
    Level level{};
    level.now = 100000;
    level.begin();
    cr_assert(level.settle(kWeight));
    cr_assert_eq(level.average, 100000U);
    cr_assert_eq(level.confident(kWeight), 0U);
    Level burst = level;
    cr_assert_not(epoch(level, 90000));
    cr_assert_gt(level.confident(kWeight), 60000U);
    cr_assert_leq(level.confident(kWeight), 90000U);
    epoch(burst, 0);
    cr_assert_eq(burst.confident(kWeight), 0U, "a stream has passed");
}

Test(level, a_burst_on_a_boundary_is_not_counted_on) {
    Level level = steady(0, 20);
    epoch(level, 500000);
    epoch(level, 500000);
    cr_assert_eq(level.confident(kWeight), 0U);
    epoch(level, 0);
    cr_assert_eq(level.confident(kWeight), 0U);
}

Test(level, a_fall_is_believed_with_the_second_epoch) {
    Level level = steady(100000, 40);
    cr_assert_not(epoch(level, 0));
    cr_assert(epoch(level, 0));
    cr_assert_eq(level.average, 0U);
}

Test(level, a_stream_that_comes_again_keeps_its_mean) {
    Level level{};
    uint32_t changes = 0;
    for (int e = 0; e < 402; e++)
        changes += epoch(level, e % 4 == 0 ? 80000 : 0) && e > 100 ? 1 : 0;
    cr_assert_eq(changes, 0U);
    cr_assert(level.average > 15000 && level.average < 25000, "%u", level.average);
    cr_assert(level.confident(kWeight) < level.average && level.confident(kWeight) > 5000, "%u", level.confident(kWeight));
    const uint32_t chance = level.error(kWeight);
    const uint32_t one = level.average - level.confident(kWeight, chance, 256);
    const uint32_t half_more = level.average - level.confident(kWeight, chance, 384);
    cr_assert(half_more >= one + one / 2 - 1 && half_more <= one + one / 2 + 1, "%u %u", one, half_more);
}

Test(level, caution_is_of_what_chance_may_do_too) {
    const Level level = steady(100000, 100);
    const uint32_t chance = level.error(kWeight);
    cr_assert_eq(level.confident(kWeight), level.average - 2 * chance);
    cr_assert_eq(level.confident(kWeight, chance, 384), level.average - 3 * chance);
}

Test(level, chance_is_not_a_change) {
    // Counts of 9 samples that vary by one standard deviation.
    Level level{};
    for (int e = 0; e < 200; e++)
        epoch(level, 900 + (e % 3 - 1) * 300U);
    cr_assert_gt(level.age, 100);
    cr_assert(level.average > 800 && level.average < 1000, "%u", level.average);
}

Test(level, optimism) {
    Level level = steady(100000, 100);
    const uint32_t missed = kWeight * Level::kMissed / Level::kKnownEpochs;
    cr_assert_eq(level.optimistic(kWeight), level.average + level.error(kWeight) + missed);
    epoch(level, 10 * level.average);
    cr_assert_eq(level.optimistic(kWeight), level.before[0]);
    Level young = steady(0, 2);
    cr_assert_geq(young.optimistic(kWeight), kWeight / 3 * Level::kMissed);
    Level changed = steady(100000, 40);
    epoch(changed, 0);
    epoch(changed, 0);
    cr_assert_gt(changed.optimistic(kWeight), 10000U);
}

Test(level, rare_samples_are_no_death) {
    constexpr uint32_t kRare = 10000; // what a sample stands for
    Level level{};
    for (int e = 0; e < 400; e++) {
        level.now = e % 8 == 0 ? kRare : 0;
        level.settle(kRare);
        cr_assert(e < 40 || !level.dead(), "in epoch %d", e);
        cr_assert(e < 40 || level.average > kRare / 16, "%u in epoch %d", level.average, e);
    }
    // When none comes any more it is.
    int e = 0;
    for (; e < 200 && !level.dead(); e++)
        level.settle(kRare);
    cr_assert(e > 24 && e < 100, "%d epochs", e);
}

Test(level, confidence_is_limited_by_the_last_counts) {
    Level level = steady(100000, 40);
    level.before[0] = 0;
    level.before[1] = 100;
    cr_assert_eq(level.confident(kWeight), 2 * 100 + 2 * kWeight);
    level.age = 1;
    level.before[0] = 7;
    cr_assert_eq(level.confident(kWeight), 7U);
}

Test(level, everything_saturates) {
    Level level{};
    for (int e = 0; e < 70000; e++)
        epoch(level, 0xffffffff);
    cr_assert_eq(level.age, 0xffff);
    cr_assert_gt(level.average, 0xf0000000U);
    const Level both = level.plus(level);
    cr_assert_eq(both.average, 0xffffffffU);
    cr_assert_eq(both.before[0], 0xffffffffU);
    const Level part = level.part(2);
    cr_assert_eq(part.average, level.average / 4);
    cr_assert_eq(part.age, level.age);
    cr_assert_eq(level.optimistic(0xffffffff), level.average);
    Level young{};
    young.average = 0xffffffff;
    young.spread = 0xffffffff;
    cr_assert_eq(young.optimistic(0xffffffff), 0xffffffffU);
}

Test(level, plus_is_as_young_as_the_younger) {
    const Level old = steady(10, 9);
    const Level young = steady(20, 3);
    cr_assert_eq(old.plus(young).age, 3);
    cr_assert_eq(young.plus(old).age, 3);
}
