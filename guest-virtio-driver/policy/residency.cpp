// SPDX-License-Identifier: GPL-2.0-or-later
// residency.cpp - see residency.hpp
#include "residency.hpp"

namespace tiermem {

namespace {
constexpr uint8_t kNever = 255;
constexpr uint8_t kFresh = 16;       // the hand leaps over what is younger
constexpr uint64_t kWindow = uint64_t{1} << TM_WINDOW_SHIFT;
// Epochs for which the hand waits for an answer: if it went on, what it has summed up of
// a large range would be lost each time that a lock is taken.
constexpr uint32_t kMostWaits = 4;

// Windows are mostly whole or empty.
uint32_t count_pages(const uint64_t (&words)[8]) {
    const uint64_t first = words[0];
    if (first + 1 <= 1) {
        uint64_t other = 0;
#pragma GCC unroll 8
        for (unsigned w = 1; w < 8; w++)
            other |= words[w] ^ first;
        if (other == 0)
            return first == 0 ? 0 : TM_WINDOW_PAGES;
    }
    uint32_t n = 0;
    for (const uint64_t w : words)
        n += count_bits(w);
    return n;
}
} // namespace

int Walker::operator()(uint64_t space, uint64_t start, uint64_t end, tm_window& window) {
    if (!can())
        return TM_ERR_LIMIT;
    left_--;
    window = tm_window{};
    const int found = walk_(context_, space, start, end, &window);
    if (found <= 0)
        return found;
    const bool inside = window.start % kWindow == 0 && window.start >= start && window.start < end;
    for (unsigned w = 0; w < 8; w++)
        window.fast[w] &= window.present[w];
    return inside ? 1 : TM_ERR_ARGUMENT;
}

void note_window(Space& space, uint16_t index, const tm_window& window) {
    Node& n = space.tree.node(index);
    const uint32_t present = count_pages(window.present);
    const uint32_t fast = count_pages(window.fast);
    const bool changed = n.walk_age == kNever || n.present_pages != present;
    if (changed)
        n.ranked = kUnranked;
    if (changed || n.fast_pages != fast || !space.tree.contradicted(n))
        n.fruitless = 0;
    else if (n.fruitless < kMostFruitless)
        n.fruitless++;
    n.walk_age = 0;
    n.mistaken = false;
    n.huge = window.huge != 0;
    n.present_pages = present;
    n.fast_pages = fast;
    if (n.huge && n.detail != kNone)
        space.tree.drop_detail(index);
    PageDetail* d = space.tree.detail(n);
    if (d == nullptr)
        return;
    for (unsigned w = 0; w < 8; w++) {
        d->movable.word[w] = window.present[w];
        d->fast.word[w] = window.fast[w];
    }
    d->missing = 0;
    d->refused = false;
}

PageCount count_window(const tm_window& window) { return {count_pages(window.present), count_pages(window.fast)}; }

void note_pages(Node& n, const PageCount& count) {
    const auto present = clamp_u32(lesser(count.present, n.pages()));
    if (n.walk_age == kNever || n.present_pages != present)
        n.ranked = kUnranked;
    n.present_pages = present;
    n.fast_pages = clamp_u32(lesser(count.fast, present));
    n.walk_age = 0;
}

void note_empty(Space& space, uint16_t index) {
    Node& n = space.tree.node(index);
    if (n.order == kLeafOrder)
        note_window(space, index, tm_window{});
    else
        note_pages(n, {0, 0});
}

void Residency::refresh(SpaceTable& spaces, Walker& walker) {
    const uint32_t quarter = walker.left() / 4;
    walker.keep(2 * quarter);
    refresh_due(spaces, walker);
    walker.keep(walker.left() > 2 * quarter ? walker.left() - quarter : quarter);
    turn_hand(spaces, walker);
    walker.keep(0);
}

// Starts at another space each epoch, so that none starves when the budget
// does not suffice for all.
void Residency::refresh_due(SpaceTable& spaces, Walker& walker) {
    const uint32_t top = spaces.top();
    for (uint32_t k = 0; k < top && walker.can(); k++) {
        due_slot_ = due_slot_ + 1 < top ? due_slot_ + 1 : 0;
        Space* space = spaces.slot(due_slot_);
        if (space != nullptr && space->tree.any_due())
            refresh_space(*space, walker);
    }
}

// From where the last epoch ended, for the same reason.
void Residency::refresh_space(Space& space, Walker& walker) {
    const uint32_t top = space.tree.top();
    uint32_t i = space.next_due;
    for (uint32_t k = 0; k < top; k++, i++) {
        i = i < top ? i : 0;
        if (!space.tree.due(space.tree.node(static_cast<uint16_t>(i))))
            continue;
        if (!walker.can())
            break;
        refresh_leaf(space, static_cast<uint16_t>(i), walker);
    }
    space.next_due = i;
}

void Residency::refresh_leaf(Space& space, uint16_t index, Walker& walker) {
    const Node& n = space.tree.node(index);
    tm_window window; // the walker clears it
    const int found = walker(space.id, n.start, n.end(), window);
    if (found < 0)
        return;
    if (found == 0)
        window = tm_window{};
    note_window(space, index, window);
}

void Residency::turn_hand(SpaceTable& spaces, Walker& walker) {
    const uint32_t top = spaces.top();
    for (uint32_t k = 0; k <= top && walker.can(); k++) {
        if (slot_ >= top) {
            slot_ = 0;
            addr_ = 0;
        }
        Space* space = slot_ < top ? spaces.slot(slot_) : nullptr;
        if (space != nullptr && !turn_in(*space, walker))
            return;
        slot_++;
        addr_ = 0;
        leaf_start_ = 0;
        found_ = {0, 0};
        waits_ = 0;
    }
}

// Leaves that the hand went over entirely, up to (not including) leaf `upto`: the one it
// was in gets what was found, those beyond the hand are empty.
void Residency::commit(Space& space, uint16_t upto) {
    if (leaf_start_ >= space.tree.limit())
        return;
    for (uint16_t i = space.tree.find(leaf_start_); i != upto && i != kNone; i = space.tree.next(i)) {
        Node& n = space.tree.node(i);
        if (n.start >= addr_) {
            note_empty(space, i);
        } else if (n.start == leaf_start_ && n.order != kLeafOrder && addr_ <= n.end()) {
            // Of what was split when the hand was beyond its first part, none has the sum.
            note_pages(n, found_);
        }
    }
    found_ = {0, 0};
}

// Over leaves that have been walked lately, as long as the hand is not inside one.
void Residency::leap(Space& space, uint16_t& leaf) {
    while (leaf != kNone && space.tree.node(leaf).walk_age < kFresh && addr_ <= space.tree.node(leaf).start) {
        commit(space, leaf);
        addr_ = leaf_start_ = space.tree.node(leaf).end();
        leaf = space.tree.next(leaf);
    }
}

// True when the hand reached the end of this space.
bool Residency::turn_in(Space& space, Walker& walker) {
    const uint64_t limit = space.tree.limit();
    uint16_t leaf = space.tree.find(addr_ < limit ? addr_ : 0);
    for (leap(space, leaf); walker.can() && addr_ < limit; leap(space, leaf)) {
        tm_window window; // the walker clears it
        const int found = walker(space.id, addr_, limit, window);
        if (found < 0)
            return waits_++ >= kMostWaits; // cannot tell now; then go on with the next space
        waits_ = 0;
        if (found == 0) {
            commit(space, kNone);
            return true;
        }
        if (window.start >= space.tree.node(leaf).end())
            leaf = space.tree.find(window.start);
        const Node& n = space.tree.node(leaf);
        if (n.start > leaf_start_ || window.start < leaf_start_) {
            commit(space, leaf);
            leaf_start_ = n.start;
            addr_ = n.start;
            if (n.walk_age < kFresh)
                continue; // what lay before it was empty; it is leapt over
        }
        // What is known of a page that was refused must not be lost too soon.
        if (n.order == kLeafOrder && n.walk_age >= kFresh)
            note_window(space, leaf, window);
        // Of what is larger than a window the sum is wanted.
        if (n.order != kLeafOrder)
            found_.add(count_window(window));
        addr_ = window.start + kWindow;
    }
    if (addr_ < limit)
        return false;
    commit(space, kNone);
    return true;
}

} // namespace tiermem
