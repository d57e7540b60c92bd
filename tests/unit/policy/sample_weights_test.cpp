// SPDX-License-Identifier: GPL-2.0-or-later
// sample_weights_test.cpp - what samples stood for while an average was learned
#include <criterion/criterion.h>

#include "sample_weights.hpp"

using tiermem::SampleWeights;

Test(sample_weights, the_first_epoch_speaks_for_all_before) {
    SampleWeights weights;
    weights.note(500, 1);
    for (const uint16_t age : {0, 1, 31, 32, 1000})
        cr_assert_eq(weights.remembered(age), 500U);
    cr_assert_eq(weights.now(), 500U);
}

Test(sample_weights, what_is_young_was_learned_from_the_last_epochs) {
    SampleWeights weights(6400);
    weights.note(100, 1);
    cr_assert_eq(weights.now(), 100U);
    cr_assert_eq(weights.remembered(0), 100U);
    cr_assert_eq(weights.remembered(1), (100U + 6400) / 2);
    cr_assert_eq(weights.remembered(31), (100U + 31 * 6400) / 32);
    weights.note(100, 1);
    cr_assert_eq(weights.remembered(1), 100U);
}

Test(sample_weights, what_is_old_forgets_as_averages_do) {
    SampleWeights weights(6400);
    uint32_t last = 6400;
    for (int e = 0; e < 16; e++) {
        weights.note(100, 1);
        cr_assert_lt(weights.remembered(1000), last);
        last = weights.remembered(1000);
    }
    // (1 - 1/32)^32 of the error's square is left.
    cr_assert(last > 6300 * 35 / 100 && last < 6300 * 40 / 100, "%u", last);
}

Test(sample_weights, a_long_epoch_counts_as_many) {
    SampleWeights one(6400), two(6400);
    two.note(100, 3);
    for (int e = 0; e < 3; e++)
        one.note(100, 1);
    for (const uint16_t age : {0, 5, 31, 100})
        cr_assert_eq(two.remembered(age), one.remembered(age));
    two.note(100, 0xffffffff);
    cr_assert_eq(two.remembered(31), 100U);
}

Test(sample_weights, never_less_than_the_present_one) {
    SampleWeights weights(100);
    weights.note(6400, 1);
    for (const uint16_t age : {0, 1, 31, 100})
        cr_assert_eq(weights.remembered(age), 6400U);
}

Test(sample_weights, the_largest) {
    SampleWeights weights(0xffffffff);
    cr_assert_eq(weights.remembered(31), 0xffffffffU);
    cr_assert_eq(weights.remembered(32), 0xffffffffU);
}
