// SPDX-License-Identifier: GPL-2.0-or-later
// tree_test.cpp - ranges split where heat is, and give way when memory is short
#include <criterion/criterion.h>

#include <cstdlib>
#include <vector>

#include "range_tree.hpp"

using namespace tiermem;

namespace {
constexpr uint64_t kHeap = 0x555500000000;

struct Fixture {
    explicit Fixture(uint32_t bytes = 256 * 1024, unsigned bits = 47) : memory(std::calloc(1, bytes)), rng(9) {
        tree.init(memory, bytes, bits);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;
    ~Fixture() { std::free(memory); }
    void check() const { cr_assert_eq(tree.validate(), 0, "invariant %d", tree.validate()); }
    TreeChange settle(uint32_t weight = 100) {
        const TreeChange change = tree.settle(weight, EpochLength{});
        check();
        return change;
    }
    void samples(uint64_t start, uint64_t bytes, int count) {
        for (int i = 0; i < count; i++)
            cr_assert(tree.record(start + (uint64_t{rng.next()} << 12) % bytes, 100, 1, rng));
        check();
    }

    void* memory;
    RangeTree tree;
    Rng rng;
};
} // namespace

Test(tree, fresh) {
    Fixture f;
    f.check();
    cr_assert_eq(f.tree.leaves(), 1U);
    cr_assert_eq(f.tree.first(), 0);
    cr_assert_eq(f.tree.next(0), kNone);
    cr_assert_geq(f.tree.detail_capacity(), 257U, "512 MiB that are not aligned to 2 MiB");
}

Test(tree, only_the_first_epoch_that_hears_anything_needs_no_third) {
    Fixture f;
    f.settle(); // nobody there
    f.samples(kHeap, 2 << 20, 2000);
    cr_assert_gt(f.settle().changes, 0U);
    const Level& old = f.tree.node(f.tree.find(kHeap)).level;
    cr_assert_eq(old.age, 0);
    f.samples(kHeap, 2 << 20, 2000);
    f.samples(kHeap + (64 << 20), 2 << 20, 2000);
    f.settle();
    cr_assert_gt(old.confident(100), 100000U);
    const uint16_t late = f.tree.find(kHeap + (64 << 20));
    f.samples(kHeap, 2 << 20, 2000);
    f.samples(kHeap + (64 << 20), 2 << 20, 2000);
    f.settle();
    cr_assert_eq(f.tree.node(late).level.confident(100), 0U, "what comes later is confirmed by a third");
}

Test(tree, addresses_at_both_ends) {
    for (const unsigned bits : {47U, 57U}) {
        Fixture f(256 * 1024, bits);
        const uint64_t top = (uint64_t{1} << bits) - 1;
        for (int i = 0; i < 1000; i++) {
            cr_assert(f.tree.record(0, 1, 0, f.rng));
            cr_assert(f.tree.record(top, 1, 1, f.rng));
        }
        cr_assert_not(f.tree.record(top + 1, 1, 0, f.rng));
        cr_assert_not(f.tree.record(~uint64_t{0}, 1, 0, f.rng));
        f.settle(1);
        cr_assert_eq(f.tree.node(f.tree.find(0)).order, kLeafOrder);
        cr_assert_eq(f.tree.node(f.tree.find(top)).order, kLeafOrder);
    }
}

Test(tree, a_spot_is_isolated_within_an_epoch) {
    Fixture f;
    f.samples(kHeap, 1 << 21, 13 * RangeTree::kMinSplitSamples + 8);
    const Node& n = f.tree.node(f.tree.find(kHeap));
    cr_assert_eq(n.order, kLeafOrder);
    cr_assert_neq(n.detail, kNone);
    cr_assert_eq(f.tree.leaves(), 13 * 3 + 1U);
    f.settle();
}

Test(tree, leaves_partition_the_space_in_order) {
    Fixture f;
    f.samples(kHeap, 64 << 20, 4000);
    uint64_t at = 0;
    uint32_t leaves = 0;
    for (uint16_t i = f.tree.first(); i != kNone; i = f.tree.next(i)) {
        cr_assert_eq(f.tree.node(i).start, at);
        cr_assert_eq(f.tree.find(at), i);
        cr_assert_eq(f.tree.find(f.tree.node(i).end() - 1), i);
        at = f.tree.node(i).end();
        leaves++;
    }
    cr_assert_eq(at, f.tree.limit());
    cr_assert_eq(leaves, f.tree.leaves());
}

Test(tree, cold_ranges_are_merged) {
    Fixture f;
    f.samples(kHeap, 64 << 20, 4000);
    cr_assert_gt(f.tree.leaves(), 60U);
    for (int e = 0; e < 400 && f.tree.leaves() > 1; e++)
        f.settle();
    cr_assert_eq(f.tree.leaves(), 1U);
    cr_assert_eq(f.tree.details(), 0U);
    f.samples(kHeap, 64 << 20, 4000);
    cr_assert_gt(f.tree.leaves(), 60U, "freed ranges are used again");
}

Test(tree, the_coldest_detail_goes_first_when_full) {
    Fixture f(48 * 1024);
    const uint32_t capacity = f.tree.detail_capacity();
    for (int e = 0; e < 40; e++) {
        f.samples(kHeap, 2 << 20, 3000);
        f.samples(kHeap + (64 << 20), 128 << 20, 6000);
        f.settle();
        cr_assert_leq(f.tree.details(), capacity);
    }
    cr_assert_gt(f.tree.details_refused(), 0U);
    const Node& hot = f.tree.node(f.tree.find(kHeap));
    cr_assert_eq(hot.order, kLeafOrder);
    cr_assert_neq(hot.detail, kNone, "the hottest range kept its pages");
}

Test(tree, the_cache_fits_what_is_heard) {
    Fixture f;
    cr_assert_eq(f.tree.cache_order(), kLeafOrder);
    for (int e = 0; e < 6; e++) {
        f.samples(kHeap, uint64_t{64} << 20, 3000);
        f.settle();
    }
    cr_assert_eq(f.tree.cache_order(), kLeafOrder, "a few hot ranges");
    for (int e = 0; e < 6; e++) {
        f.samples(kHeap, uint64_t{100} << 30, 3000);
        f.settle();
    }
    cr_assert_gt(f.tree.cache_order(), kLeafOrder + 4, "a large heap that is evenly warm");
    for (int e = 0; e < 6; e++) {
        f.samples(kHeap, uint64_t{64} << 20, 3000);
        f.settle();
    }
    cr_assert_lt(f.tree.cache_order(), kLeafOrder + 4, "a few hot ranges again");
}

Test(tree, a_hot_range_is_due_to_be_walked) {
    Fixture f;
    f.samples(kHeap, 4096, 1000);
    f.settle();
    cr_assert(f.tree.any_due());
    Node& n = f.tree.node(f.tree.find(kHeap));
    cr_assert(f.tree.due(n), "its pages are not known");
    const auto walked = [&f](unsigned epochs) {
        for (Node& each : f.tree)
            each.walk_age = static_cast<uint8_t>(epochs);
    };
    walked(0);
    f.samples(kHeap, 4096, 1000);
    f.settle();
    cr_assert(f.tree.any_due(), "it is new");
    f.tree.detail(n)->refused = true;
    walked(kStaleMissing - 2);
    f.settle();
    cr_assert_not(f.tree.any_due(), "a moment ago");
    cr_assert(f.tree.detail(n)->missing);
    f.settle();
    cr_assert(f.tree.any_due(), "a page was not there");
    f.tree.detail(n)->missing = 0;
    f.settle();
    cr_assert_not(f.tree.any_due());
    walked(kStale - 1);
    f.settle();
    cr_assert(f.tree.any_due(), "long ago");
}

// Without a count of its pages: what samples tell must fit what the last walk found, or it came too early.
Test(tree, a_range_that_samples_do_not_fit_is_due) {
    Fixture f;
    f.samples(kHeap, 4096, 1000);
    f.settle();
    const uint16_t i = f.tree.find(kHeap);
    Node& n = f.tree.node(i);
    f.tree.drop_detail(i);
    n.even = true; // looked at page by page, and not to be for some time
    const auto due_in = [&f, &n](uint32_t present, uint32_t fast, uint8_t tier) {
        n.present_pages = present;
        n.fast_pages = fast;
        n.mistaken = false;
        n.even_age = 0;
        n.walk_age = 0;
        unsigned epochs = 0;
        do {
            cr_assert(f.tree.record(kHeap, 100, tier, f.rng));
            f.settle();
            epochs++;
        } while (!f.tree.due(n));
        return epochs;
    };
    constexpr uint8_t kUnknown = 2;
    for (const uint8_t tier : {uint8_t{0}, uint8_t{1}, kUnknown})
        cr_assert_eq(due_in(0, 0, tier), kStaleNew, "its memory has come since, tier %u", tier);
    cr_assert_eq(due_in(512, 512, 1), kStaleMissing);
    cr_assert_eq(due_in(512, 0, 0), kStaleMissing);
    cr_assert_eq(due_in(512, 512, 0), kStale);
    cr_assert_eq(due_in(512, 0, 1), kStale);
    cr_assert_eq(due_in(512, 511, 1), kStale);
    cr_assert_eq(due_in(512, 512, kUnknown), kStale);
}

Test(tree, full_of_ranges_it_still_takes_samples) {
    Fixture f(64 * 1024);
    for (int e = 0; e < 30; e++) {
        f.samples(0, f.tree.limit(), 5000);
        f.settle();
    }
    f.samples(kHeap, 2 << 20, 20000);
    f.settle();
    for (int e = 0; e < 12; e++) {
        f.samples(0, f.tree.limit(), 2000);
        f.samples(kHeap, 2 << 20, 2000);
        f.settle();
    }
    cr_assert_eq(f.tree.node(f.tree.find(kHeap)).order, kLeafOrder);
}

Test(tree, huge_ranges_get_no_page_counts) {
    Fixture f;
    f.samples(kHeap, 2 << 20, 200);
    const uint16_t i = f.tree.find(kHeap);
    f.tree.drop_detail(i);
    f.tree.node(i).huge = true;
    f.samples(kHeap, 2 << 20, 200);
    cr_assert_eq(f.tree.node(i).detail, kNone);
    f.tree.node(i).huge = false;
    f.samples(kHeap, 2 << 20, 200);
    cr_assert_neq(f.tree.node(i).detail, kNone);
    f.tree.node(i).huge = true;
    f.settle();
    cr_assert_eq(f.tree.node(i).detail, kNone);
}

Test(tree, even_ranges_are_left_alone_for_a_while) {
    Fixture f;
    f.samples(kHeap, 2 << 20, 200);
    const uint16_t i = f.tree.find(kHeap);
    f.tree.drop_detail(i);
    f.tree.node(i).even = true;
    for (int e = 0; e < 119; e++) {
        f.samples(kHeap, 2 << 20, 50);
        f.settle();
        cr_assert_eq(f.tree.node(i).detail, kNone);
    }
    f.samples(kHeap, 2 << 20, 50);
    f.settle();
    f.samples(kHeap, 2 << 20, 50);
    cr_assert_neq(f.tree.node(i).detail, kNone);
}

Test(tree, forget) {
    Fixture f;
    f.samples(kHeap, 64 << 20, 4000);
    f.settle();
    const uint16_t i = f.tree.find(kHeap);
    f.tree.forget(kHeap + 4096, kHeap + (2 << 20));
    cr_assert_gt(f.tree.node(i).level.average, 0U, "only whole ranges");
    f.tree.forget(kHeap, kHeap + (2 << 20));
    f.check();
    cr_assert_eq(f.tree.node(i).level.average, 0U);
    cr_assert_eq(f.tree.node(i).detail, kNone);
    f.tree.forget(f.tree.limit(), ~uint64_t{0});
    f.tree.forget(0, f.tree.limit());
    f.check();
    cr_assert_eq(f.tree.details(), 0U);
}

Test(tree, counts_are_brought_to_the_nominal_epoch) {
    Fixture f;
    f.tree.record(kHeap, 1000, 1, f.rng);
    f.tree.settle(100, EpochLength{EpochLength::kWhole / 2, 2});
    cr_assert_eq(f.tree.node(f.tree.find(kHeap)).level.before[0], 500U);
}

Test(tree, an_epoch_counts_as_so_many_of_nominal_length) {
    cr_assert_eq(EpochLength::of(500, 500).epochs, 1U);
    cr_assert_eq(EpochLength::of(500, 500).scale, EpochLength::kWhole);
    cr_assert_eq(EpochLength::of(500, 749).epochs, 1U);
    cr_assert_eq(EpochLength::of(500, 750).epochs, 2U);
    cr_assert_eq(EpochLength::of(500, 1000).scale, EpochLength::kWhole / 2);
    cr_assert_eq(EpochLength::of(500, 1).epochs, 1U, "a short one is one");
    cr_assert_eq(EpochLength::of(500, ~uint64_t{0} / 2).scale, 0U);
    cr_assert_eq(EpochLength::of(500, ~uint64_t{0} / 2).epochs, 0xffffffffU);
}

Test(tree, counts_saturate) {
    Fixture f;
    for (int i = 0; i < 10; i++)
        f.tree.record(kHeap, 0xffffffff, 1, f.rng);
    f.settle(0xffffffff);
    // The first samples split it: what is left saw all of the count there is.
    cr_assert_eq(f.tree.node(f.tree.find(kHeap)).level.before[0], 0xffffffffU);
}

Test(tree, broken_invariants_are_found) {
    Fixture f;
    f.samples(kHeap, 64 << 20, 4000);
    const uint16_t i = f.tree.find(kHeap);
    Node& n = f.tree.node(i);
    const Node good = n;
    n.start += 4096;
    cr_assert_eq(f.tree.validate(), 1);
    n = good;
    n.order = 22;
    cr_assert_neq(f.tree.validate(), 0);
    n = good;
    n.fast_pages = n.present_pages + 1;
    cr_assert_eq(f.tree.validate(), 7);
    n = good;
    PageDetail* d = f.tree.detail(n);
    d->sum++;
    cr_assert_eq(f.tree.validate(), 4);
    d->sum--;
    d->owner++;
    cr_assert_eq(f.tree.validate(), 3);
    d->owner--;
    n.detail = kNone;
    cr_assert_eq(f.tree.validate(), 5);
    n = good;
    f.tree.node(0).detail = 0;
    cr_assert_eq(f.tree.validate(), 3);
    f.tree.node(0).detail = kNone;
    f.check();
}
