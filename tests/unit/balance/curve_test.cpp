// SPDX-License-Identifier: GPL-2.0-or-later
// curve_test.cpp - what a curve says, which cannot be true, and the mean of many
#include <criterion/criterion.h>

#include <cmath>

#include "curve.h"
#include "fleet.hpp"

using namespace tiermem::balance;
using fleet::hot;
using fleet::MiB;
using fleet::pieces;

Test(curve, rate_within_is_linear_between_points) {
    const Curve curve = pieces({{4 * MiB, 100}, {8 * MiB, 10}});
    cr_assert_eq(rate_within(curve, 0), 0U);
    cr_assert_eq(rate_within(curve, 2 * MiB), 200U);
    cr_assert_eq(rate_within(curve, 4 * MiB), 400U);
    cr_assert_eq(rate_within(curve, 8 * MiB), 440U);
    cr_assert_eq(rate_within(curve, 12 * MiB), 480U);
    cr_assert_eq(rate_within(curve, ~uint64_t{0}), 480U);
    cr_assert_eq(rate_within(Curve{}, 5), 0U);
}

Test(curve, used_is_what_is_accessed) {
    cr_assert_eq(used_bytes(pieces({{4 * MiB, 100}, {8 * MiB, 0}})), 4 * MiB);
    cr_assert_eq(used_bytes(pieces({{4 * MiB, 0}})), 0U);
    cr_assert_eq(used_bytes(Curve{}), 0U);
}

Test(curve, what_cannot_be_true) {
    cr_assert(plausible(Curve{}));
    cr_assert(plausible(pieces({{MiB, 100}, {MiB, 100}, {MiB, 0}})));
    cr_assert_not(plausible(pieces({{MiB, 1000}, {MiB, 2000}})), "colder memory is hotter");
    cr_assert_not(plausible(pieces({{MiB, 1000}, {0, 0}})), "a point without bytes");
    Curve curve = hot(MiB, 100);
    curve.count = kCurvePoints + 1;
    cr_assert_not(plausible(curve), "too many points");
    curve = pieces({{MiB, 1000}, {MiB, 100}});
    curve.points[1].rate = curve.points[0].rate - 1;
    cr_assert_not(plausible(curve), "rates that fall");
    curve.points[1] = {kMaxBytes + 1, 5000};
    cr_assert_not(plausible(curve), "more bytes than there can be");
}

Test(curve, rounding_is_not_held_against_a_guest) {
    Curve curve = pieces({{MiB, 0}, {MiB, 0}});
    curve.points[0].rate = 3;
    curve.points[1].rate = 10;
    cr_assert(plausible(curve));
    curve = pieces({{MiB, 1000000}, {MiB, 1120000}});
    cr_assert(plausible(curve));
    curve = pieces({{MiB, 1000000}, {MiB, 1130000}});
    cr_assert_not(plausible(curve));
}

Test(curve, greatest_values_do_not_overflow) {
    Curve curve;
    curve.count = 2;
    curve.points[0] = {1, ~uint64_t{0}};
    curve.points[1] = {kMaxBytes, ~uint64_t{0}};
    cr_assert(plausible(curve));
    cr_assert_eq(rate_within(curve, kMaxBytes), ~uint64_t{0});
    curve.points[0] = {MiB, 0};
    cr_assert_not(plausible(curve));
}

Test(curve, heat_orders_as_the_quotient_does) {
    fleet::Random random(7);
    cr_assert_eq(heat(0, 1), 0U);
    cr_assert_gt(heat(1, kMaxBytes), 0U);
    for (int i = 0; i < 200000; i++) {
        const Wide gain[2] = {Wide{random()} << (random() % 36) >> (random() % 64),
                              Wide{random()} >> (random() % 64)};
        const uint64_t bytes[2] = {1 + (random() >> 4 >> (random() % 60)),
                                   1 + (random() >> 4 >> (random() % 60))};
        const long double quotient[2] = {
            static_cast<long double>(gain[0]) / static_cast<long double>(bytes[0]),
            static_cast<long double>(gain[1]) / static_cast<long double>(bytes[1])};
        const uint64_t key[2] = {heat(gain[0], bytes[0]), heat(gain[1], bytes[1])};
        if (quotient[0] > quotient[1] * (1 + std::ldexp(1.0L, -28)))
            cr_assert_gt(key[0], key[1], "%Lg and %Lg", quotient[0], quotient[1]);
        if (quotient[0] < quotient[1] * (1 - std::ldexp(1.0L, -28)))
            cr_assert_lt(key[0], key[1], "%Lg and %Lg", quotient[0], quotient[1]);
    }
}

Test(curve, the_first_curve_is_taken_as_it_is) {
    Memory memory;
    const Curve curve = pieces({{4 * MiB, 100}, {8 * MiB, 10}});
    learn(memory, curve, 4 * MiB);
    cr_assert_eq(memory.samples, 1U);
    cr_assert_eq(memory.average.count, 2U);
    cr_assert_eq(memory.average.points[1].rate >> kMeanShift, curve.points[1].rate);
}

Test(curve, a_steady_guest_has_a_steady_mean) {
    fleet::Random random(3);
    for (int round = 0; round < 50; round++) {
        const Curve curve = fleet::random_curve(random, 4096 * MiB);
        Memory memory;
        for (int i = 0; i < 100; i++)
            learn(memory, curve, 512 * MiB);
        cr_assert(plausible(memory.average));
        for (uint64_t bytes = 64 * MiB; bytes <= 4096 * MiB; bytes += 64 * MiB) {
            const double is =
                static_cast<double>(rate_within(memory.average, bytes)) / (1 << kMeanShift);
            const auto should = static_cast<double>(rate_within(curve, bytes));
            cr_assert(std::fabs(is - should) <= should / 1000 + 1, "%g for %g", is, should);
        }
    }
}

Test(curve, chance_is_averaged_out_and_few_points_suffice) {
    fleet::Random random(5);
    const Curve curve =
        pieces({{256 * MiB, 4000}, {512 * MiB, 1000}, {1024 * MiB, 100}, {2048 * MiB, 3}});
    Memory memory;
    for (int i = 0; i < 400; i++) {
        learn(memory, fleet::noisy(random, curve, 50), 512 * MiB);
        cr_assert(memory.average.count <= kCurvePoints && plausible(memory.average));
        if (i < 50)
            continue;
        const double is =
            static_cast<double>(rate_within(memory.average, 512 * MiB)) / (1 << kMeanShift);
        const auto should = static_cast<double>(rate_within(curve, 512 * MiB));
        cr_assert(std::fabs(is - should) < should * 0.05, "%g for %g", is, should);
    }
}

Test(curve, a_change_is_taken_over_at_once) {
    Memory memory;
    for (int i = 0; i < 50; i++)
        learn(memory, hot(256 * MiB, 1000), 256 * MiB);
    learn(memory, hot(256 * MiB, 2000), 256 * MiB);
    cr_assert_eq(memory.samples, 1U);
    cr_assert_eq(rate_within(memory.average, 256 * MiB) >> kMeanShift, 256U * 2000);
}
