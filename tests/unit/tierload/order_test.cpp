// SPDX-License-Identifier: GPL-2.0-or-later
// Zipf ranks and scattered orders.
#include <cmath>
#include <criterion/criterion.h>
#include <vector>

#include "random.hpp"
#include "skew.hpp"

using tierload::Random;
using tierload::Scatter;
using tierload::Skew;

Test(scatter, is_a_bijection) {
    for (const std::uint64_t count : {1, 2, 3, 64, 65, 1000, 4096, 131'071}) {
        const Scatter scatter(count, 7);
        std::vector<bool> hit(count);
        for (std::uint64_t x = 0; x < count; x++) {
            const std::uint64_t y = scatter(x);
            cr_assert(y < count && !hit[y], "count %lu: %lu -> %lu", count, x, y);
            hit[y] = true;
        }
    }
}

Test(scatter, scatters) {
    constexpr std::uint64_t count = 100'000;
    const Scatter scatter(count, 1);
    std::uint64_t in_lower_half = 0, neighbours = 0;
    for (std::uint64_t x = 0; x < count / 2; x++) {
        in_lower_half += scatter(x) < count / 2;
        neighbours += scatter(x + 1) == scatter(x) + 1;
    }
    cr_assert(in_lower_half > count * 23 / 100 && in_lower_half < count * 27 / 100, "%lu",
              in_lower_half);
    cr_assert(neighbours < 100, "%lu", neighbours);
}

Test(scatter, depends_on_the_seed) {
    const Scatter one(1000, 1), other(1000, 2);
    std::uint64_t same = 0;
    for (std::uint64_t x = 0; x < 1000; x++)
        same += one(x) == other(x);
    cr_assert(same < 20, "%lu", same);
}

Test(skew, weights_are_a_distribution_that_falls) {
    for (const std::uint64_t count : {1, 2, 64, 65, 1000, 131'072}) {
        const Skew skew(count, 0.99);
        double sum = 0;
        for (std::uint64_t rank = 0; rank < count; rank++) {
            sum += skew.weight(rank);
            cr_assert(rank == 0 || skew.weight(rank) <= skew.weight(rank - 1) * (1 + 1e-12));
        }
        cr_assert(std::abs(sum - 1) < 1e-9, "%lu: %f", count, sum);
    }
}

Test(skew, weights_follow_zipf) {
    const Skew skew(100'000, 0.99);
    for (const std::uint64_t rank : {1UL, 10UL, 63UL, 1000UL, 50'000UL}) {
        const double expected = std::pow(static_cast<double>(rank + 1), -0.99) * skew.weight(0);
        const double ratio = skew.weight(rank) / expected;
        cr_assert(ratio > 0.95 && ratio < 1.05, "rank %lu: %f", rank, ratio);
    }
}

Test(skew, draws_follow_the_weights) {
    constexpr std::uint64_t count = 1000, draws = 2'000'000;
    const Skew skew(count, 0.99);
    Random random(3);
    std::vector<std::uint64_t> seen(count);
    for (std::uint64_t i = 0; i < draws; i++)
        seen.at(skew.draw(random))++;
    double distance = 0;
    for (std::uint64_t rank = 0; rank < count; rank++)
        distance += std::abs(static_cast<double>(seen[rank]) / draws - skew.weight(rank));
    cr_assert(distance < 0.03, "%f", distance); // 0.02 is what chance makes of so many draws
}

Test(skew, an_exponent_of_0_is_even) {
    const Skew skew(777, 0);
    cr_assert(std::abs(skew.weight(0) - 1.0 / 777) < 1e-12);
    cr_assert(std::abs(skew.weight(776) - 1.0 / 777) < 1e-12);
}
