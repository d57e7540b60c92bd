/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of disjoint intervals; see range_set.h.
 *
 * A two-level B+ tree: a sorted index of leaves, each a sorted array of
 * intervals. One level of index is enough: 8,192 leaves (64 KiB of index) hold a
 * million intervals even if every one is only half full.
 *
 * Fragmented memory makes every page an interval of its own, and they come in
 * runs: pages freed one after another lie on the free lists in the opposite
 * order. So a leaf has room at both ends, which makes a run upwards or downwards
 * cheap, and a search first looks around the place of the last one.
 */
#include "range_set.h"

#include "host_services.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace {

constexpr std::size_t leaf_bytes = 4096;
constexpr std::size_t leaf_capacity =
    (leaf_bytes - 2 * sizeof(std::uint32_t)) / sizeof(tm_interval);
/* Leaves with fewer intervals are joined with a neighbour that has room. */
constexpr std::size_t leaf_sparse = leaf_capacity / 4;
constexpr std::size_t first_index_capacity = 16;

/* `count` intervals in ascending order, the first of them in slot `first`. */
struct Leaf {
    std::uint32_t first;
    std::uint32_t count;
    tm_interval slots[leaf_capacity];

    [[nodiscard]] bool full() const { return count == leaf_capacity; }
    [[nodiscard]] std::size_t room_above() const { return leaf_capacity - first - count; }
    [[nodiscard]] tm_interval* begin() { return slots + first; }
    [[nodiscard]] tm_interval* end() { return begin() + count; }
    [[nodiscard]] const tm_interval& last() const { return slots[first + count - 1]; }
    [[nodiscard]] std::span<const tm_interval> span() const { return {slots + first, count}; }
};
static_assert(sizeof(Leaf) <= leaf_bytes);

/* Where an interval is, or would be: leaf number and place in the leaf. */
struct Position {
    std::size_t leaf;
    std::size_t place;
};

/* Moves all intervals to the middle of the leaf. */
void center(Leaf& leaf) {
    const std::uint32_t first = (leaf_capacity - leaf.count) / 2;
    if (first < leaf.first)
        std::copy(leaf.begin(), leaf.end(), leaf.slots + first);
    else if (first > leaf.first)
        std::copy_backward(leaf.begin(), leaf.end(), leaf.slots + first + leaf.count);
    leaf.first = first;
}

/* Moves the shorter side; where that has no room any more, makes some for many inserts. */
void open_gap(Leaf& leaf, std::size_t place) {
    const bool lower_is_shorter = place < leaf.count - place;
    if (lower_is_shorter ? !leaf.first : !leaf.room_above())
        center(leaf);
    if (leaf.first && (lower_is_shorter || !leaf.room_above())) {
        std::copy(leaf.begin(), leaf.begin() + place, leaf.begin() - 1);
        --leaf.first;
    } else {
        std::copy_backward(leaf.begin() + place, leaf.end(), leaf.end() + 1);
    }
    ++leaf.count;
}

void close_gap(Leaf& leaf, std::size_t place) {
    if (place < leaf.count - 1 - place) {
        std::copy_backward(leaf.begin(), leaf.begin() + place, leaf.begin() + place + 1);
        ++leaf.first;
    } else {
        std::copy(leaf.begin() + place + 1, leaf.end(), leaf.begin() + place);
    }
    --leaf.count;
}

} // namespace

struct tm_range_set {
    Leaf** index;
    std::size_t leaves;
    std::size_t index_capacity;
    std::uint64_t total;
    std::uint64_t count;
    mutable Position last_found; /* where to look first; possibly stale */

    [[nodiscard]] Position first_ending_above(std::uint64_t value) const;
    [[nodiscard]] Position search(std::uint64_t value) const;
    [[nodiscard]] bool near_last_found(std::uint64_t value) const;
    [[nodiscard]] const tm_interval* at(Position position) const;
    [[nodiscard]] tm_interval* before(Position position) const;
    [[nodiscard]] bool grow_index();
    [[nodiscard]] Leaf* add_leaf(std::size_t number);
    [[nodiscard]] bool split_leaf(Position& position);
    [[nodiscard]] bool add(Position position, tm_interval range);
    void erase(Position position);
    void drop_leaf(std::size_t number);
    void join_if_sparse(std::size_t number);
};

/* The place of the first interval with end > value; possibly one past the last. */
Position tm_range_set::first_ending_above(std::uint64_t value) const {
    if (!near_last_found(value))
        last_found = search(value);
    return last_found;
}

/* Whether it is where the last one was found, or next to it in the leaf; makes that last_found. */
bool tm_range_set::near_last_found(std::uint64_t value) const {
    if (last_found.leaf >= leaves)
        return false;
    const auto ranges = index[last_found.leaf]->span();
    std::size_t place = std::min(last_found.place, ranges.size());
    if (place && ranges[place - 1].end > value)
        --place;
    else if (place < ranges.size() && ranges[place].end <= value)
        ++place;
    last_found.place = place;
    const tm_interval* below = place ? &ranges[place - 1] : before(last_found);
    if (below && below->end > value)
        return false;
    /* A place past a leaf's last interval is one in the last leaf only. */
    return place < ranges.size() ? ranges[place].end > value : last_found.leaf == leaves - 1;
}

Position tm_range_set::search(std::uint64_t value) const {
    const std::span all(index, leaves);
    /* Leaves are never empty, so the last interval bounds all of a leaf. */
    const auto leaf = std::partition_point(all.begin(), all.end(), [value](const Leaf* candidate) {
        return candidate->last().end <= value;
    });
    const auto number = static_cast<std::size_t>(leaf - all.begin());
    if (leaf == all.end())
        return {leaves ? leaves - 1 : 0, leaves ? index[leaves - 1]->count : 0};
    const auto ranges = (*leaf)->span();
    const auto range = std::partition_point(ranges.begin(), ranges.end(),
                                            [value](tm_interval r) { return r.end <= value; });
    return {number, static_cast<std::size_t>(range - ranges.begin())};
}

const tm_interval* tm_range_set::at(Position position) const {
    if (position.leaf >= leaves || position.place >= index[position.leaf]->count)
        return nullptr;
    return index[position.leaf]->begin() + position.place;
}

/* The interval before a place, or nullptr. */
tm_interval* tm_range_set::before(Position position) const {
    if (position.place)
        return index[position.leaf]->begin() + position.place - 1;
    if (!position.leaf)
        return nullptr;
    return index[position.leaf - 1]->end() - 1;
}

bool tm_range_set::grow_index() {
    const std::size_t capacity = index_capacity ? index_capacity * 2 : first_index_capacity;
    auto* larger = static_cast<Leaf**>(tm_host_alloc_nowait(capacity * sizeof(Leaf*)));
    if (!larger)
        return false;
    std::copy(index, index + leaves, larger);
    tm_host_free(index);
    index = larger;
    index_capacity = capacity;
    return true;
}

/* A new empty leaf with this number; the caller fills it at once. */
Leaf* tm_range_set::add_leaf(std::size_t number) {
    if (leaves == index_capacity && !grow_index())
        return nullptr;
    auto* leaf = static_cast<Leaf*>(tm_host_alloc_nowait(sizeof(Leaf)));
    if (!leaf)
        return nullptr;
    std::copy_backward(index + number, index + leaves, index + leaves + 1);
    index[number] = leaf;
    ++leaves;
    return leaf;
}

/* Make room in a full leaf; position keeps naming the same place. */
bool tm_range_set::split_leaf(Position& position) {
    Leaf* leaf = index[position.leaf];
    /* Ascending inserts at the very end and descending ones go on in a leaf of their own. */
    const bool append = position.leaf == leaves - 1 && position.place == leaf->count;
    const bool prepend = position.place == 0;
    const std::uint32_t keep = append ? leaf->count : leaf->count / 2;

    Leaf* fresh = add_leaf(position.leaf + !prepend);
    if (!fresh)
        return false;
    if (prepend)
        return true;
    fresh->count = leaf->count - keep;
    fresh->first = append ? 0 : (leaf_capacity - fresh->count) / 2;
    std::copy(leaf->begin() + keep, leaf->end(), fresh->begin());
    leaf->count = keep;
    if (position.place > keep || append)
        position = {position.leaf + 1, position.place - keep};
    return true;
}

bool tm_range_set::add(Position position, tm_interval range) {
    if (!leaves) {
        if (!add_leaf(0))
            return false;
    } else if (index[position.leaf]->full()) {
        if (!position.place && position.leaf && !index[position.leaf - 1]->full())
            position = {position.leaf - 1, index[position.leaf - 1]->count};
        else if (!split_leaf(position))
            return false;
    }
    Leaf& leaf = *index[position.leaf];
    open_gap(leaf, position.place);
    leaf.begin()[position.place] = range;
    ++count;
    return true;
}

void tm_range_set::drop_leaf(std::size_t number) {
    tm_host_free(index[number]);
    std::copy(index + number + 1, index + leaves, index + number);
    --leaves;
}

/* Join a leaf that has become sparse with the next one, if both fit easily. */
void tm_range_set::join_if_sparse(std::size_t number) {
    if (number + 1 >= leaves)
        return;
    Leaf& lower = *index[number];
    const Leaf& upper = *index[number + 1];
    if (lower.count + upper.count > leaf_capacity - leaf_sparse)
        return;
    if (lower.room_above() < upper.count) {
        std::copy(lower.begin(), lower.end(), lower.slots);
        lower.first = 0;
    }
    std::ranges::copy(upper.span(), lower.end());
    lower.count += upper.count;
    drop_leaf(number + 1);
}

void tm_range_set::erase(Position position) {
    Leaf& leaf = *index[position.leaf];
    close_gap(leaf, position.place);
    --count;
    if (!leaf.count)
        drop_leaf(position.leaf);
    else if (leaf.count < leaf_sparse)
        join_if_sparse(position.leaf);
}

extern "C" {

tm_range_set* tm_range_set_create(void) {
    return static_cast<tm_range_set*>(tm_host_alloc_nowait(sizeof(tm_range_set)));
}

void tm_range_set_destroy(tm_range_set* set) {
    if (!set)
        return;
    for (std::size_t i = 0; i < set->leaves; ++i)
        tm_host_free(set->index[i]);
    tm_host_free(set->index);
    tm_host_free(set);
}

tm_range_status tm_range_set_insert(tm_range_set* set, tm_u64 start, tm_u64 end) {
    if (start >= end)
        return TM_RANGE_INVALID;
    const Position position = set->first_ending_above(start);
    auto* above = const_cast<tm_interval*>(set->at(position));
    tm_interval* below = set->before(position);
    if (above && above->start < end)
        return TM_RANGE_CONFLICT;

    const bool join_below = below && below->end == start;
    const bool join_above = above && above->start == end;
    if (join_below && join_above) {
        below->end = above->end;
        set->erase(position);
    } else if (join_below) {
        below->end = end;
    } else if (join_above) {
        above->start = start;
    } else if (!set->add(position, {start, end})) {
        return TM_RANGE_NO_MEMORY;
    }
    set->total += end - start;
    return TM_RANGE_OK;
}

tm_range_status tm_range_set_remove(tm_range_set* set, tm_u64 start, tm_u64 end) {
    if (start >= end)
        return TM_RANGE_INVALID;
    const Position position = set->first_ending_above(start);
    auto* range = const_cast<tm_interval*>(set->at(position));
    if (!range || range->start > start || range->end < end)
        return TM_RANGE_CONFLICT;

    if (range->start == start && range->end == end) {
        set->erase(position);
    } else if (range->start == start) {
        range->start = end;
    } else if (range->end == end) {
        range->end = start;
    } else {
        const tm_interval upper = {end, range->end};
        if (!set->add({position.leaf, position.place + 1}, upper))
            return TM_RANGE_NO_MEMORY;
        /* Adding may have moved the lower part to another leaf. */
        const_cast<tm_interval*>(set->at(set->first_ending_above(start)))->end = start;
    }
    set->total -= end - start;
    return TM_RANGE_OK;
}

tm_u64 tm_range_set_total(const tm_range_set* set) {
    return set->total;
}

tm_u64 tm_range_set_count(const tm_range_set* set) {
    return set->count;
}

int tm_range_set_next(const tm_range_set* set, tm_u64 from, tm_interval* range) {
    const tm_interval* found = set->at(set->first_ending_above(from));
    if (found)
        *range = *found;
    return found != nullptr;
}

int tm_range_set_prev(const tm_range_set* set, tm_u64 below, tm_interval* range) {
    /* The first one that ends at or above it may itself start below it. */
    const Position position = below ? set->first_ending_above(below - 1) : Position{0, 0};
    const tm_interval* found = below ? set->at(position) : nullptr;
    if (!found || found->start >= below)
        found = set->before(position);
    if (found)
        *range = *found;
    return found != nullptr;
}

int tm_range_set_validate(const tm_range_set* set) {
    std::uint64_t total = 0, count = 0;
    const tm_interval* last = nullptr;

    if (set->leaves > set->index_capacity)
        return 0;
    for (const Leaf* leaf : std::span(set->index, set->leaves)) {
        if (!leaf->count || leaf->count > leaf_capacity ||
            leaf->first > leaf_capacity - leaf->count)
            return 0;
        for (const tm_interval& range : leaf->span()) {
            /* Touching intervals would have been merged. */
            if (range.start >= range.end || (last && last->end >= range.start))
                return 0;
            total += range.end - range.start;
            ++count;
            last = &range;
        }
    }
    return total == set->total && count == set->count;
}

} // extern "C"
