// SPDX-License-Identifier: GPL-2.0-or-later
// ranking_test.cpp - ranks at their limits, the cut, and what they promise
#include <criterion/criterion.h>

#include <memory>

#include "ranking.hpp"

using namespace tiermem;

namespace {
Node node_with(uint32_t average, uint16_t age) {
    Node n{};
    n.order = kLeafOrder;
    n.detail = kNone;
    n.level.average = average;
    n.level.before[0] = n.level.before[1] = average;
    n.level.age = age;
    return n;
}

constexpr Horizon kHorizon{120, 300, 100};
} // namespace

Test(rank, clamps) {
    cr_assert_eq(clamp_rank(-1), 0);
    cr_assert_eq(clamp_rank(0), 0);
    cr_assert_eq(clamp_rank(511), 511);
    cr_assert_eq(clamp_rank(512), 511);
    cr_assert_eq(rank_heat(0), 0U);
    cr_assert_eq(rank_heat(kRankBias), 256U);
    for (uint16_t r = 1; r < kRanks; r++)
        cr_assert_geq(rank_heat(r), rank_heat(static_cast<uint16_t>(r - 1)));
}

Test(rank, a_plain_range_spreads_its_heat) {
    Space space{};
    const Node n = node_with(512 * 64, 1000);
    const LeafRank rank(space, n, nullptr, kHorizon);
    cr_assert_eq(rank.likely(0), kRankBias + 6 * 16);
    cr_assert_eq(rank.likely(255), rank.likely(0));
    cr_assert_leq(rank.certain(0), rank.likely(0));
    cr_assert_geq(rank.possible(0), rank.likely(0));
    Space heavy{};
    heavy.bias = 32;
    cr_assert_eq(LeafRank(heavy, n, nullptr, kHorizon).likely(0), rank.likely(0) + 32);
}

Test(rank, cold_ranges) {
    Space space{};
    const Node n = node_with(0, 1000);
    const LeafRank rank(space, n, nullptr, kHorizon);
    cr_assert_eq(rank.likely(0), 0);
    cr_assert_eq(rank.certain(0), 0);
    cr_assert_eq(rank.possible(0), 0);
}

Test(rank, the_younger_the_more_must_be_gained) {
    Space space{};
    uint16_t last = 0;
    for (const uint16_t age : {0, 1, 2, 5, 10, 30, 100}) {
        const Node n = node_with(512 * 300, age);
        const uint16_t now = LeafRank(space, n, nullptr, kHorizon).certain(0);
        cr_assert_geq(now, last);
        last = now;
    }
    cr_assert_gt(last, 0);
    cr_assert_eq(LeafRank(space, node_with(512 * 300, 0), nullptr, kHorizon).certain(0), 0);
}

Test(rank, codes_are_found_by_rank) {
    Space space{};
    PageDetail d{};
    d.reset(0);
    d.prior = kPriorMin;
    d.sum = 512 * 32;
    const Node n = node_with(512 * 1000, 1000);
    const LeafRank rank(space, n, &d, kHorizon);
    for (unsigned c = 1; c < 256; c++) {
        const auto code = static_cast<uint8_t>(c);
        const auto before = static_cast<uint8_t>(c - 1);
        cr_assert_geq(rank.certain(code), rank.certain(before));
        cr_assert_geq(rank.possible(code), rank.possible(before));
        cr_assert_leq(rank.doubt(code), rank.doubt(before));
    }
    for (uint16_t r = 1; r < kRanks; r++) {
        const unsigned first = rank.first_certain(r);
        cr_assert(first == 256 || rank.certain(static_cast<uint8_t>(first)) >= r);
        cr_assert(first == 0 || rank.certain(static_cast<uint8_t>(first - 1)) < r);
        const unsigned end = rank.end_possible(r);
        cr_assert(end == 256 || rank.possible(static_cast<uint8_t>(end)) > r);
        cr_assert(end == 0 || rank.possible(static_cast<uint8_t>(end - 1)) <= r);
    }
    d.prior = 0;
    cr_assert_leq(LeafRank(space, n, &d, kHorizon).doubt(0), 64);
}

Test(rank, an_empty_ranking) {
    auto ranking = std::make_unique<Ranking>();
    ranking->clear();
    ranking->cut_at(0);
    cr_assert_eq(ranking->cut(), kRanks - 1);
    ranking->cut_at(~uint64_t{0});
    cr_assert_eq(ranking->cut(), 0);
    cr_assert_eq(ranking->uncertain_milli(), 1000U);
}
