// SPDX-License-Identifier: GPL-2.0-or-later
// fill_test.cpp - pouring out by weight and by heat, beside plain models
#include <criterion/criterion.h>

#include <algorithm>
#include <numeric>

#include "balance.h"
#include "fill.h"
#include "fleet.hpp"

using namespace tiermem::balance;

namespace {
std::vector<uint64_t> by_weight(const std::vector<Claim>& claims, uint64_t amount) {
    std::vector<uint64_t> out;
    fill_by_weight(claims, amount, out);
    return out;
}

// Sorts and takes; equal heats only within one machine.
std::vector<uint64_t> sorted_model(std::vector<Segment> segments, uint64_t amount,
                                   size_t machines) {
    std::vector<uint64_t> bytes(machines, 0);
    std::ranges::stable_sort(segments, std::greater{}, &Segment::heat);
    for (const Segment& segment : segments) {
        const uint64_t taken = std::min(segment.bytes, amount);
        bytes[segment.machine] += taken;
        amount -= taken;
    }
    return bytes;
}
} // namespace

Test(fill, by_weight) {
    const std::vector<uint64_t> out =
        by_weight({{0, 1, 0, 1000}, {1, 2, 0, 1000}, {2, 1, 0, 1000}}, 400);
    cr_assert(out == (std::vector<uint64_t>{100, 200, 100}));
}

Test(fill, by_weight_between_least_and_most) {
    const std::vector<uint64_t> out =
        by_weight({{0, 1, 300, 1000}, {1, 1, 0, 20}, {2, 1, 0, 1000}}, 400);
    cr_assert(out == (std::vector<uint64_t>{300, 20, 80}));
}

Test(fill, by_weight_least_even_if_it_does_not_suffice) {
    cr_assert(by_weight({{0, 1, 300, 1000}, {1, 1, 200, 20}}, 400) ==
              (std::vector<uint64_t>{300, 200}));
    cr_assert(by_weight({}, 400).empty());
}

Test(fill, by_weight_of_the_greatest_values) {
    const std::vector<Claim> claims(20, Claim{0, kMaxWeight, 0, kMaxBytes});
    for (const uint64_t bytes : by_weight(claims, kMaxBytes))
        cr_assert(bytes <= kMaxBytes / 20 && bytes + kMaxWeight > kMaxBytes / 20);
    cr_assert(by_weight(claims, ~uint64_t{0})[0] > 0);
}

Test(fill, by_heat_is_what_sorting_gives) {
    fleet::Random random(11);
    for (int round = 0; round < 500; round++) {
        std::vector<Segment> segments;
        const size_t machines = 1 + random() % 20;
        uint64_t all = 0;
        for (size_t i = 0; i < machines * 8; i++) {
            segments.push_back({(random() >> (random() % 64)) | 1, random() % 1000,
                                static_cast<uint32_t>(i % machines)});
            all += segments.back().bytes;
        }
        std::ranges::sort(segments, {}, &Segment::heat);
        const auto equal = [](const Segment& a, const Segment& b) { return a.heat == b.heat; };
        segments.erase(std::unique(segments.begin(), segments.end(), equal), segments.end());
        std::ranges::shuffle(segments, random);
        const uint64_t amount = random() % (all + all / 4 + 1);
        std::vector<uint64_t> bytes(machines, 0);
        fill_by_heat(segments, amount, bytes);
        cr_assert(bytes == sorted_model(segments, amount, machines));
    }
}

Test(fill, by_heat_divides_between_equals) {
    std::vector<uint64_t> bytes(3, 0);
    fill_by_heat({{9, 100, 0}, {5, 100, 1}, {5, 300, 2}}, 300, bytes);
    cr_assert(bytes == (std::vector<uint64_t>{100, 50, 150}));
}

Test(fill, by_heat_of_nothing) {
    std::vector<uint64_t> bytes(1, 7);
    fill_by_heat({}, 300, bytes);
    fill_by_heat({{5, 100, 0}}, 0, bytes);
    cr_assert_eq(bytes[0], 7U);
}
