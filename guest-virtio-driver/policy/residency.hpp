// SPDX-License-Identifier: GPL-2.0-or-later
// residency.hpp - which pages are on which tier, asked from the caller's page
// tables within a budget of windows per epoch.
//
// Half of the budget is for ranges that need an answer: hot and never walked, or
// walked long ago. A quarter moves a clock hand through all address spaces, so
// that cold pages on tier 0 are found too, wherever they are; it comes to a place
// once in 16 epochs at most. The rest is left to the planner, which looks up the
// pages of ranges that have no page details; what it went over as a whole is then known, too.
#ifndef TIERMEM_POLICY_RESIDENCY_HPP
#define TIERMEM_POLICY_RESIDENCY_HPP

#include "policy.h"
#include "space.hpp"

namespace tiermem {

// The caller's walk callback with what is left of the budget.
class Walker {
  public:
    Walker(tm_walk_fn walk, void* context, uint32_t budget) : walk_(walk), context_(context), left_(budget) {}
    // As tm_walk_fn; also negative when the budget is used up or the answer
    // contradicts the question (a window outside of what was asked).
    int operator()(uint64_t space, uint64_t start, uint64_t end, tm_window& window);
    [[nodiscard]] uint32_t left() const { return left_; }
    [[nodiscard]] bool can() const { return walk_ != nullptr && left_ > kept_; }
    // Refuse to go below `windows` from now on.
    void keep(uint32_t windows) { kept_ = windows; }

  private:
    tm_walk_fn walk_;
    void* context_;
    uint32_t left_;
    uint32_t kept_ = 0;
};

struct PageCount {
    uint64_t present;
    uint64_t fast;

    constexpr void add(const PageCount& o) {
        present += o.present;
        fast += o.fast;
    }
};

PageCount count_window(const tm_window& window);

// Take over what walks of all of a leaf that is larger than a window found.
void note_pages(Node& node, const PageCount& count);

// Take over what a walk of the 2 MiB leaf `index` showed.
void note_window(Space& space, uint16_t index, const tm_window& window);

// A walk of the whole leaf `index` found no page: what it had is unmapped.
void note_empty(Space& space, uint16_t index);

class Residency {
  public:
    // One epoch's walks; leaves a quarter of what `walker` has.
    void refresh(SpaceTable& spaces, Walker& walker);

  private:
    void refresh_due(SpaceTable& spaces, Walker& walker);
    static void refresh_space(Space& space, Walker& walker);
    static void refresh_leaf(Space& space, uint16_t index, Walker& walker);
    void turn_hand(SpaceTable& spaces, Walker& walker);
    void leap(Space& space, uint16_t& leaf);
    bool turn_in(Space& space, Walker& walker);
    void commit(Space& space, uint16_t upto);

    uint32_t slot_;     // where the hand is
    uint64_t addr_;
    uint64_t leaf_start_; // the coarse leaf under the hand, and what was found in it so far
    PageCount found_;
    uint32_t waits_;    // epochs in which it could not be told what comes next
    uint32_t due_slot_;
};

} // namespace tiermem

#endif
