// SPDX-License-Identifier: GPL-2.0-or-later
// planner_test.cpp - what is worth moving
#include <criterion/criterion.h>

#include <cstdlib>
#include <memory>

#include "planner.hpp"

using namespace tiermem;

namespace {
// A ranking made of plain leaves of one space, with so many fast pages each.
struct Fixture {
    Fixture() : memory(std::calloc(1, bytes)), ranking(std::make_unique<Ranking>()) {
        space.tree.init(memory, bytes, 47);
        Rng rng(1);
        for (int i = 0; i < 400; i++)
            space.tree.record(uint64_t{rng.next() % 4} << 21, 100, 1, rng);
        for (uint64_t w = 0; w < 4; w++) {
            const uint16_t i = space.tree.find(w << 21);
            if (space.tree.node(i).detail != kNone)
                space.tree.drop_detail(i);
        }
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;
    ~Fixture() { std::free(memory); }

    void leaf(uint64_t window, uint32_t heat_per_page, uint32_t fast) {
        Node& n = space.tree.node(space.tree.find(window << 21));
        n.level = {};
        n.level.average = n.level.before[0] = n.level.before[1] = heat_per_page * 512;
        n.level.age = 1000;
        n.present_pages = 512;
        n.fast_pages = fast;
        n.walk_age = 0;
    }
    const Ranking& rank() {
        ranking->clear();
        ranking->add(space, {120, 300, 300, &weights, 1});
        return *ranking;
    }

    static constexpr uint32_t bytes = 256 * 1024;
    static constexpr SampleWeights weights{1};
    void* memory;
    Space space{};
    std::unique_ptr<Ranking> ranking;
};

constexpr Terms kPlenty{1 << 20, 0, 0, 0, 0, 256};
} // namespace

Test(goal, hot_slow_pages_are_paired_with_cold_fast_ones) {
    Fixture f;
    f.leaf(0, 100, 0);
    f.leaf(1, 1, 512);
    const Goal g = find_goal(f.rank(), kPlenty);
    cr_assert_eq(g.pairs, 512U);
    cr_assert_eq(g.promote_only, 0U);
    cr_assert_eq(g.demote_only, 0U);
    cr_assert_gt(g.promote_from, g.demote_upto);
}

Test(goal, a_pair_must_repay_both_copies) {
    Fixture f;
    // One copy needs 1 access an epoch: a pair 2 more than what is lost and three tenths of it.
    f.leaf(1, 50, 512);
    for (const auto& [heat, pairs] : {std::pair{50U, 0U}, std::pair{64U, 0U}, std::pair{72U, 512U}}) {
        f.leaf(0, heat, 0);
        cr_assert_eq(find_goal(f.rank(), kPlenty).pairs, pairs, "heat %u", heat);
    }
}

Test(goal, the_budget_limits) {
    Fixture f;
    f.leaf(0, 100, 0);
    f.leaf(1, 1, 512);
    Terms t = kPlenty;
    for (const auto& [budget, pairs] : {std::pair{0, 0}, std::pair{1, 0}, std::pair{2, 1}, std::pair{201, 100}}) {
        t.budget = static_cast<uint64_t>(budget);
        cr_assert_eq(find_goal(f.rank(), t).pairs, static_cast<uint64_t>(pairs));
    }
}

Test(goal, free_room_is_used_first) {
    Fixture f;
    f.leaf(0, 100, 0);
    f.leaf(1, 1, 512);
    Terms t = kPlenty;
    t.free_pages = 100;
    const Goal g = find_goal(f.rank(), t);
    cr_assert_eq(g.promote_only, 100U);
    cr_assert_eq(g.pairs, 412U);
    f.leaf(0, 0, 0);
    cr_assert_eq(find_goal(f.rank(), t).promote_only, 0U, "cold pages are not worth a copy");
}

Test(goal, the_reserve_is_made_of_the_coldest) {
    Fixture f;
    f.leaf(0, 100, 512);
    f.leaf(1, 1, 512);
    Terms t = kPlenty;
    t.short_pages = 600;
    const Goal g = find_goal(f.rank(), t);
    cr_assert_eq(g.demote_only, 600U);
    cr_assert_gt(g.demote_upto, kRankBias);
    t.budget = 10;
    cr_assert_eq(find_goal(f.rank(), t).demote_only, 10U);
    t.short_pages = ~uint64_t{0};
    t.budget = ~uint64_t{0};
    cr_assert_eq(find_goal(f.rank(), t).demote_only, 1024U, "not more than there is");
}

Test(goal, what_nobody_uses_goes) {
    Fixture f;
    f.leaf(0, 100, 0);
    f.leaf(1, 1, 512);
    Terms t = kPlenty;
    t.idle_pages = 100;
    Goal g = find_goal(f.rank(), t);
    cr_assert_eq(g.idle, 0U);
    cr_assert_eq(g.idle_trades, 100U, "before anything that has heat");
    cr_assert_eq(g.promote_only, 100U, "into its place");
    cr_assert_eq(g.pairs, 412U);
    f.leaf(1, 90, 512);
    g = find_goal(f.rank(), t);
    cr_assert_eq(g.idle_trades, 100U);
    cr_assert_eq(g.pairs, 0U, "too much alike");
    t.short_pages = 60;
    g = find_goal(f.rank(), t);
    cr_assert_eq(g.idle, 60U);
    cr_assert_eq(g.demote_only, 0U, "the reserve is made of it too");
    cr_assert_eq(g.idle_trades, 40U);
    cr_assert_eq(g.promote_only, 40U);
    f.leaf(1, 1, 512);
    t.budget = 10;
    g = find_goal(f.rank(), t);
    cr_assert_eq(g.idle, 10U);
    cr_assert_eq(g.demote_only + g.promote_only + g.pairs, 0U);
    t = kPlenty;
    t.idle_pages = 100;
    t.budget = 10;
    g = find_goal(f.rank(), t);
    cr_assert_eq(g.idle_trades, 5U, "two copies each");
    cr_assert_eq(g.pairs, 0U);
    t = kPlenty;
    t.idle_pages = 100;
    t.free_pages = 512;
    t.huge_pages = 0;
    g = find_goal(f.rank(), t);
    cr_assert_eq(g.idle + g.idle_trades, 0U, "makes no room for folios of 2 MiB");
    cr_assert_eq(g.huge_short, 512U);
    f.leaf(0, 0, 0);
    t = kPlenty;
    t.idle_pages = ~uint64_t{0} >> kPageShift;
    g = find_goal(f.rank(), t);
    cr_assert_eq(g.idle + g.idle_trades, 0U, "not without a reason");
}

Test(goal, nothing_at_all) {
    Fixture f;
    const Goal g = find_goal(f.rank(), kPlenty);
    cr_assert_eq(g.pairs + g.promote_only + g.demote_only, 0U);
}

Test(goal, blocked_ranges_are_left_alone) {
    Fixture f;
    f.leaf(0, 100, 0);
    f.leaf(1, 1, 512);
    f.space.tree.node(f.space.tree.find(0)).blocked = 1;
    cr_assert_eq(find_goal(f.rank(), kPlenty).pairs, 0U);
}

// One page that is pinned says little of its range; many do.
Test(moved, a_range_is_blocked_when_much_of_it_is_refused) {
    Fixture f;
    f.leaf(0, 100, 0);
    Node& n = f.space.tree.node(f.space.tree.find(0));
    constexpr uint64_t kNoPage[8] = {};
    constexpr uint64_t kFirst[8] = {1};
    constexpr uint64_t kWindow[8] = {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL};
    const auto refuse_one = [&] { note_moved(f.space, 0, 1, kNoPage, kFirst, Direction::kPromote); };
    for (unsigned i = 1; i < kMostRefused; i++)
        refuse_one();
    cr_assert_eq(n.blocked, 0U);
    note_moved(f.space, 0, 512, kWindow, kNoPage, Direction::kPromote);
    for (unsigned i = 1; i < kMostRefused; i++)
        refuse_one();
    cr_assert_eq(n.blocked, 0U, "what was moved counts against it");
    refuse_one();
    cr_assert_gt(n.blocked, 0U);
    n.blocked = 0;
    note_moved(f.space, 0, 512, kNoPage, kWindow, Direction::kPromote);
    cr_assert_gt(n.blocked, 0U, "a folio of 2 MiB");
}
