/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of intervals of policy/range_set.h: each operation at its limits, what
 * it does without memory, and long random runs against a plain model.
 */
#include "host_services.h"
#include "range_set.h"

#include <criterion/criterion.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace {

using List = std::vector<std::pair<tm_u64, tm_u64>>;

/* Allocations that still succeed; negative: all of them. */
long allocations_left = -1;
long allocations_live = 0;

struct Destroy {
    void operator()(tm_range_set* set) const { tm_range_set_destroy(set); }
};
using Set = std::unique_ptr<tm_range_set, Destroy>;

Set make() {
    Set set{tm_range_set_create()};
    cr_assert_not_null(set.get());
    return set;
}

/* The plain model: start -> end, disjoint, not touching. */
class Model {
public:
    [[nodiscard]] tm_range_status insert(tm_u64 start, tm_u64 end) {
        if (start >= end)
            return TM_RANGE_INVALID;
        if (overlaps(start, end))
            return TM_RANGE_CONFLICT;
        auto above = ranges_.lower_bound(start);
        if (above != ranges_.end() && above->first == end) {
            end = above->second;
            above = ranges_.erase(above);
        }
        if (above != ranges_.begin() && std::prev(above)->second == start)
            std::prev(above)->second = end;
        else
            ranges_[start] = end;
        return TM_RANGE_OK;
    }

    [[nodiscard]] tm_range_status remove(tm_u64 start, tm_u64 end) {
        if (start >= end)
            return TM_RANGE_INVALID;
        auto range = ranges_.upper_bound(start);
        if (range == ranges_.begin() || (--range)->second < end)
            return TM_RANGE_CONFLICT;
        const auto [low, high] = *range;
        ranges_.erase(range);
        if (low < start)
            ranges_[low] = start;
        if (end < high)
            ranges_[end] = high;
        return TM_RANGE_OK;
    }

    [[nodiscard]] List list() const { return {ranges_.begin(), ranges_.end()}; }

private:
    [[nodiscard]] bool overlaps(tm_u64 start, tm_u64 end) const {
        auto above = ranges_.lower_bound(start);
        if (above != ranges_.end() && above->first < end)
            return true;
        return above != ranges_.begin() && std::prev(above)->second > start;
    }

    std::map<tm_u64, tm_u64> ranges_;
};

List upwards(const tm_range_set* set) {
    List found;
    tm_interval range{};
    for (tm_u64 from = 0; tm_range_set_next(set, from, &range); from = range.end)
        found.emplace_back(range.start, range.end);
    return found;
}

List downwards(const tm_range_set* set) {
    List found;
    tm_interval range{};
    for (tm_u64 below = UINT64_MAX; tm_range_set_prev(set, below, &range); below = range.start)
        found.insert(found.begin(), {range.start, range.end});
    return found;
}

void expect_list(const tm_range_set* set, const List& wanted) {
    cr_expect(upwards(set) == wanted);
}

void expect_equal(const tm_range_set* set, const Model& model) {
    const auto wanted = model.list();
    tm_u64 total = 0;
    for (const auto& [start, end] : wanted)
        total += end - start;
    cr_assert(tm_range_set_validate(set));
    cr_assert(upwards(set) == wanted);
    cr_assert(downwards(set) == wanted);
    cr_assert_eq(tm_range_set_total(set), total);
    cr_assert_eq(tm_range_set_count(set), wanted.size());
}

/* Random operations over few integers, so that all kinds of touching happen. */
void random_run(unsigned seed, tm_u64 space, tm_u64 longest, int steps, int check_every) {
    std::mt19937_64 random{seed};
    Set set = make();
    Model model;
    for (int i = 0; i < steps; ++i) {
        const tm_u64 start = random() % space;
        const tm_u64 end = start + random() % (longest + 1);
        /* Phases that mostly grow, then mostly shrink: leaves fill and empty. */
        const bool grow = (i / (steps / 8)) % 2 == 0;
        const bool insert = random() % 8 < (grow ? 6U : 2U);
        if (insert)
            cr_assert_eq(tm_range_set_insert(set.get(), start, end), model.insert(start, end));
        else
            cr_assert_eq(tm_range_set_remove(set.get(), start, end), model.remove(start, end));
        if (i % check_every == 0)
            expect_equal(set.get(), model);
    }
    expect_equal(set.get(), model);
}

} // namespace

extern "C" {

void* tm_host_alloc_nowait(size_t bytes) {
    if (allocations_left == 0)
        return nullptr;
    if (allocations_left > 0)
        --allocations_left;
    ++allocations_live;
    return std::calloc(1, bytes);
}

void tm_host_free(void* memory) {
    allocations_live -= memory != nullptr;
    std::free(memory);
}
}

Test(range_set, starts_empty) {
    Set set = make();
    tm_interval range{};
    cr_expect(tm_range_set_validate(set.get()));
    cr_expect_eq(tm_range_set_total(set.get()), 0);
    cr_expect_eq(tm_range_set_count(set.get()), 0);
    cr_expect_not(tm_range_set_next(set.get(), 0, &range));
    cr_expect_not(tm_range_set_prev(set.get(), UINT64_MAX, &range));
    cr_expect_eq(tm_range_set_remove(set.get(), 0, 1), TM_RANGE_CONFLICT);
}

Test(range_set, refuses_empty_and_backward_intervals) {
    Set set = make();
    cr_expect_eq(tm_range_set_insert(set.get(), 5, 5), TM_RANGE_INVALID);
    cr_expect_eq(tm_range_set_insert(set.get(), 6, 5), TM_RANGE_INVALID);
    cr_expect_eq(tm_range_set_remove(set.get(), 5, 5), TM_RANGE_INVALID);
    cr_expect_eq(tm_range_set_remove(set.get(), UINT64_MAX, 0), TM_RANGE_INVALID);
    cr_expect_eq(tm_range_set_count(set.get()), 0);
}

Test(range_set, holds_the_ends_of_the_number_space) {
    Set set = make();
    tm_interval range{};
    cr_assert_eq(tm_range_set_insert(set.get(), UINT64_MAX - 1, UINT64_MAX), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_insert(set.get(), 0, 1), TM_RANGE_OK);
    cr_expect(tm_range_set_next(set.get(), 1, &range) && range.start == UINT64_MAX - 1);
    cr_expect(tm_range_set_prev(set.get(), UINT64_MAX - 1, &range) && range.start == 0);
    cr_expect_not(tm_range_set_prev(set.get(), 0, &range));
    cr_expect_not(tm_range_set_next(set.get(), UINT64_MAX, &range));
    cr_assert_eq(tm_range_set_insert(set.get(), 1, UINT64_MAX - 1), TM_RANGE_OK);
    cr_expect_eq(tm_range_set_count(set.get()), 1);
    cr_expect_eq(tm_range_set_total(set.get()), UINT64_MAX);
}

Test(range_set, merges_what_touches) {
    Set set = make();
    cr_assert_eq(tm_range_set_insert(set.get(), 10, 20), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_insert(set.get(), 30, 40), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_insert(set.get(), 20, 25), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_insert(set.get(), 28, 30), TM_RANGE_OK);
    cr_expect_eq(tm_range_set_count(set.get()), 2);
    cr_assert_eq(tm_range_set_insert(set.get(), 25, 28), TM_RANGE_OK);
    cr_expect_eq(tm_range_set_count(set.get()), 1);
    expect_list(set.get(), List{{10, 40}});
}

Test(range_set, refuses_what_overlaps) {
    Set set = make();
    cr_assert_eq(tm_range_set_insert(set.get(), 10, 20), TM_RANGE_OK);
    for (const auto& [start, end] : {std::pair{9, 11}, {19, 21}, {10, 20}, {12, 13}, {0, 100}})
        cr_expect_eq(
            tm_range_set_insert(set.get(), static_cast<tm_u64>(start), static_cast<tm_u64>(end)),
            TM_RANGE_CONFLICT);
    for (const auto& [start, end] : {std::pair{9, 11}, {19, 21}, {20, 21}, {0, 100}})
        cr_expect_eq(
            tm_range_set_remove(set.get(), static_cast<tm_u64>(start), static_cast<tm_u64>(end)),
            TM_RANGE_CONFLICT);
    cr_expect_eq(tm_range_set_total(set.get()), 10);
}

Test(range_set, cuts_ends_and_middles) {
    Set set = make();
    cr_assert_eq(tm_range_set_insert(set.get(), 0, 100), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_remove(set.get(), 0, 10), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_remove(set.get(), 90, 100), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_remove(set.get(), 40, 60), TM_RANGE_OK);
    expect_list(set.get(), List{{10, 40}, {60, 90}});
    cr_assert_eq(tm_range_set_remove(set.get(), 10, 40), TM_RANGE_OK);
    cr_assert_eq(tm_range_set_remove(set.get(), 60, 90), TM_RANGE_OK);
    cr_expect_eq(tm_range_set_count(set.get()), 0);
}

Test(range_set, stays_whole_without_memory) {
    Set set = make();
    /* Single integers apart from each other fill leaf after leaf. */
    for (tm_u64 i = 0; i < 2000; ++i)
        cr_assert_eq(tm_range_set_insert(set.get(), 4 * i, 4 * i + 3), TM_RANGE_OK);
    allocations_left = 0;
    bool insert_failed = false, remove_failed = false;
    for (tm_u64 i = 0; i < 2000; ++i) {
        const tm_u64 total = tm_range_set_total(set.get());
        const auto removed = tm_range_set_remove(set.get(), 4 * i + 1, 4 * i + 2);
        if (removed == TM_RANGE_NO_MEMORY)
            cr_assert_eq(tm_range_set_total(set.get()), total);
        remove_failed |= removed == TM_RANGE_NO_MEMORY;
        cr_assert(tm_range_set_validate(set.get()));
    }
    for (tm_u64 i = 0; i < 2000; ++i)
        insert_failed |=
            tm_range_set_insert(set.get(), 10000 + 2 * i, 10001 + 2 * i) == TM_RANGE_NO_MEMORY;
    cr_expect(insert_failed && remove_failed);
    cr_expect(tm_range_set_validate(set.get()));

    /* Whole intervals and their ends can always be taken out. */
    tm_interval range{};
    while (tm_range_set_prev(set.get(), UINT64_MAX, &range))
        cr_assert_eq(tm_range_set_remove(set.get(), range.end - 1, range.end), TM_RANGE_OK);
    allocations_left = -1;
    cr_expect_eq(tm_range_set_total(set.get()), 0);
}

Test(range_set, reports_no_memory_at_creation) {
    allocations_left = 0;
    cr_expect_null(tm_range_set_create());
    allocations_left = -1;
}

Test(range_set, frees_all_it_took) {
    const long before = allocations_live;
    {
        Set set = make();
        for (tm_u64 i = 0; i < 100000; ++i)
            cr_assert_eq(tm_range_set_insert(set.get(), 2 * i, 2 * i + 1), TM_RANGE_OK);
        cr_expect(allocations_live > before);
    }
    cr_expect_eq(allocations_live, before);
    tm_range_set_destroy(nullptr);
}

Test(range_set, is_compact_when_filled_in_order) {
    const long before = allocations_live;
    Set set = make();
    for (tm_u64 i = 0; i < 25500; ++i)
        cr_assert_eq(tm_range_set_insert(set.get(), 2 * i, 2 * i + 1), TM_RANGE_OK);
    /* 255 intervals a leaf: 100 full leaves, the index and the set itself. */
    cr_expect_leq(allocations_live - before, 102);
}

Test(range_set, is_compact_when_filled_backwards) {
    const long before = allocations_live;
    Set set = make();
    for (tm_u64 i = 25500; i-- > 0;)
        cr_assert_eq(tm_range_set_insert(set.get(), 2 * i, 2 * i + 1), TM_RANGE_OK);
    cr_expect(tm_range_set_validate(set.get()));
    cr_expect_leq(allocations_live - before, 102);
}

/* As pages lie on a free list that was filled in bulks: runs upwards, each below the one before. */
Test(range_set, is_half_full_at_least_when_filled_in_runs) {
    constexpr tm_u64 run = 63, runs = 400;
    const long before = allocations_live;
    Set set = make();
    for (tm_u64 r = runs; r-- > 0;)
        for (tm_u64 i = r * run; i < (r + 1) * run; ++i)
            cr_assert_eq(tm_range_set_insert(set.get(), 2 * i, 2 * i + 1), TM_RANGE_OK);
    cr_expect(tm_range_set_validate(set.get()));
    cr_expect_leq(allocations_live - before, 2 + 2 * static_cast<long>(runs * run / 255 + 1));
}

/* From above, as the reservoir gives back, and from below in turns. */
Test(range_set, is_emptied_from_both_ends) {
    constexpr tm_u64 count = 10000;
    Set set = make();
    for (tm_u64 i = 0; i < count; ++i)
        cr_assert_eq(tm_range_set_insert(set.get(), 3 * i, 3 * i + 1), TM_RANGE_OK);
    tm_u64 low = 0, high = count;
    while (low < high) {
        tm_interval range{};
        cr_assert(tm_range_set_prev(set.get(), UINT64_MAX, &range));
        cr_assert_eq(range.start, 3 * (high - 1));
        cr_assert_eq(tm_range_set_remove(set.get(), range.start, range.end), TM_RANGE_OK);
        if (--high == low)
            break;
        cr_assert(tm_range_set_next(set.get(), 0, &range));
        cr_assert_eq(range.start, 3 * low);
        cr_assert_eq(tm_range_set_remove(set.get(), range.start, range.end), TM_RANGE_OK);
        ++low;
        if (high % 97 == 0)
            cr_assert(tm_range_set_validate(set.get()));
    }
    cr_expect_eq(tm_range_set_count(set.get()), 0);
}

Test(range_set, agrees_with_a_plain_model_dense) {
    for (unsigned seed = 1; seed <= 10; ++seed)
        random_run(seed, 64, 6, 2000, 1);
}

Test(range_set, agrees_with_a_plain_model_sparse) {
    for (unsigned seed = 1; seed <= 3; ++seed)
        random_run(seed, 1 << 14, 8, 24000, 1999);
}
