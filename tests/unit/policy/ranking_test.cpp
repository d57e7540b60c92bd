// SPDX-License-Identifier: GPL-2.0-or-later
// ranking_test.cpp - ranks at their limits, the cut, and what they promise
#include <criterion/criterion.h>

#include <cstdlib>
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

constexpr SampleWeights kWeights(100);
constexpr Horizon kHorizon{120, 300, 300, &kWeights, 1};
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

Test(rank, what_few_samples_have_shown_does_not_get_certain_by_denser_ones) {
    Space space{};
    const Node n = node_with(512 * 8, 1000);
    SampleWeights weights(6000);
    const auto certain = [&] { return LeafRank(space, n, nullptr, {120, 300, 300, &weights, 1}).certain(0); };
    const uint16_t before = certain();
    weights.note(60, 1);
    cr_assert_leq(certain(), before + 2);
    weights.note(60, 100);
    cr_assert_gt(certain(), before + 4);
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

namespace {
// A page with `samples` of its own in a range of which all is known.
struct Counted {
    Space space{};
    PageDetail detail{};
    Node node = node_with(512 * 100000, 1000);
    uint8_t code;

    explicit Counted(uint32_t samples) : code(0) {
        detail.reset(0);
        detail.prior = kPriorMin;
        detail.sum = 512 * 32;
        while (code < 255 && code_value(code) < samples * kSampleUnits)
            code++;
    }
    [[nodiscard]] LeafRank rank(uint32_t stir = kMostStir) const {
        Horizon horizon = kHorizon;
        horizon.stir = stir;
        return {space, node, &detail, horizon};
    }
    // How much hotter than it probably is a page may be, in ranks.
    [[nodiscard]] int doubted() const { return rank().possible(code) - rank().likely(code); }
};
} // namespace

Test(rank, few_samples_do_not_make_a_page_cold) {
    // .7 of 1/sqrt(4), of 1/sqrt(1000): 16 / ln 2 ranks for each unit, about.
    cr_assert(Counted(4).doubted() >= 6 && Counted(4).doubted() <= 9, "%d", Counted(4).doubted());
    cr_assert_leq(Counted(1000).doubted(), 1);
}

Test(rank, the_hot_side_is_cautious_while_much_is_moved) {
    const Counted page(4);
    const int likely = page.rank().likely(page.code);
    const int certain = page.rank(0).certain(page.code);
    cr_assert_leq(certain, likely);
    cr_assert_leq(page.rank(kMostStir).certain(page.code), certain - 4);
    cr_assert_leq(page.rank(kMostStir / 2).certain(page.code), certain - 1);
    cr_assert_gt(page.rank(kMostStir / 2).certain(page.code), page.rank(kMostStir).certain(page.code));
}

Test(rank, a_range_without_detail_must_be_much_hotter) {
    Space space{};
    const Node n = node_with(512 * 100000, 1000);
    const LeafRank rank(space, n, nullptr, kHorizon);
    cr_assert_leq(rank.certain(0), rank.likely(0) - 6);
    cr_assert_leq(rank.possible(0), rank.likely(0) + 1);
}

namespace {
// Of 512 pages half have 64 samples each and are as hot as the cut, 32 have 16
// times that and are on tier 0, the others have what `code` says and are on `tier`.
uint32_t uncertain_with(uint8_t code, unsigned tier) {
    constexpr uint32_t bytes = 64 * 1024;
    auto* space = static_cast<Space*>(std::calloc(1, sizeof(Space) + bytes));
    space->tree.init(space + 1, bytes, 47);
    Rng rng(1);
    for (int i = 0; i < 1000; i++)
        space->tree.record(0, 100, 1, rng);
    Node& n = space->tree.node(space->tree.find(0));
    PageDetail* d = space->tree.detail(n);
    cr_assert_not_null(d);
    for (unsigned p = 0; p < kPages; p++) {
        d->movable.set(p);
        d->code[p] = p < 256 ? uint8_t{112} : (p < 288 ? uint8_t{176} : code);
        d->fast.assign(p, p >= 256 && (p < 288 || tier == 0));
    }
    d->sum = 256 * code_value(112) + 32 * code_value(176) + 224 * code_value(code);
    n.walk_age = 0;
    n.level.average = n.level.before[0] = n.level.before[1] = 512 * 100;
    n.level.age = 1000;
    auto ranking = std::make_unique<Ranking>();
    for (int e = 0; e < 2; e++) {
        ranking->clear();
        ranking->add(*space, kHorizon);
        ranking->cut_at(kPages);
    }
    const uint32_t uncertain = ranking->uncertain_ppm();
    std::free(space);
    return uncertain;
}
} // namespace

Test(rank, what_is_likely_hot_and_not_certain_is_worth_samples) {
    const uint8_t tenth_more = 114;
    cr_assert_gt(uncertain_with(tenth_more, 1), uncertain_with(tenth_more, 0) + 1000);
    const uint8_t four_times = 144;
    cr_assert_eq(uncertain_with(four_times, 1), uncertain_with(four_times, 0), "known well enough");
}

Test(rank, an_empty_ranking) {
    auto ranking = std::make_unique<Ranking>();
    ranking->clear();
    ranking->cut_at(0);
    cr_assert_eq(ranking->cut(), kRanks - 1);
    ranking->cut_at(~uint64_t{0});
    cr_assert_eq(ranking->cut(), 0);
    cr_assert_eq(ranking->uncertain_ppm(), 1000000U);
}
