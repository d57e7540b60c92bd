// SPDX-License-Identifier: GPL-2.0-or-later
// planner.hpp - which pages should trade places.
//
// From the two histograms of the ranking the planner decides how far down the
// hopeful pages and how far up the pages on tier 0 it is worth going: the
// hottest hopeful page is paired with the coldest page on tier 0, the next
// with the next, until a pair no longer repays its two copies within the
// horizon, or the budget is used up. That gives two thresholds, and then two
// streams of page runs (Runs) that are zipped into steps. Idle pages of nobody's address
// space come first: they make room for new pages, and the hottest take their place.
#ifndef TIERMEM_POLICY_PLANNER_HPP
#define TIERMEM_POLICY_PLANNER_HPP

#include "ranking.hpp"
#include "residency.hpp"

namespace tiermem {

// How many pages may and should move, and how hot they must be.
struct Goal {
    uint64_t idle;         // pages of nobody that the caller is to move out of tier 0 first
    uint64_t idle_trades;  // of promote_only, what takes the place of such pages
    uint64_t demote_only;  // pages that only make room
    uint64_t promote_only; // pages that take free room, or that of idle pages
    uint64_t pairs;
    uint64_t huge_room;    // of promote_only, what 2 MiB folios find room in ...
    uint64_t huge_short;   // ... and pages that may be demoted for them where it lies scattered
    uint16_t promote_from; // ranks at or above, hottest first
    uint16_t demote_upto;  // ranks at or below, coldest first
};

struct Terms {
    uint64_t budget;      // page copies
    uint64_t free_pages;  // of tier 0, beyond the reserve
    uint64_t short_pages; // missing to the reserve
    uint64_t idle_pages;  // on tier 0, of nobody's address space: as good as without heat
    uint64_t huge_pages;  // free as whole 2 MiB
    uint64_t copy_heat;   // 1/256 accesses per epoch that repay one copy
};

// Pure: see the head of this file.
Goal find_goal(const Ranking& ranking, const Terms& terms);

enum class Direction : uint8_t { kPromote, kDemote };

struct Run {
    uint64_t space;
    uint64_t addr;
    uint32_t pages; // 0: no more
    bool huge;
    uint16_t rank;
};

// Where the walks of a plan ended when their budget was used up: the next plan goes on
// there, or it would look at the same first windows of a large range for ever.
struct Place {
    uint64_t space; // its id
    uint64_t addr;
    uint32_t slot;
};

// One for each direction.
struct Places {
    Place promote;
    Place demote;
};

// The pages worth moving in one direction, in two passes over all leaves: the
// ranks beyond the threshold, then those on it.
class Runs {
  public:
    // Begins at `place`, and leaves there where to go on.
    Runs(SpaceTable& spaces, Walker& walker, Direction direction, uint16_t rank, uint64_t pages, const Horizon& horizon,
         Place& place);
    // What comes next; pages == 0 at the end.
    Run peek();
    // Consume `pages` of what peek() showed.
    void take(uint32_t pages);

  private:
    void begin_pass();
    [[nodiscard]] bool pass_over() const;
    bool next_leaf();
    bool find_wanted(const Space& space);
    bool load();
    bool load_plain();
    bool load_detail(const PageDetail& detail);
    bool load_window(uint64_t from);
    void leave(Space& space, Node& node);
    [[nodiscard]] bool wanted(const Node& node) const;

    SpaceTable& spaces_;
    Walker& walker_;
    Direction direction_;
    uint16_t rank_;
    uint64_t left_;
    Horizon horizon_;
    Place& place_;
    Place first_;         // each pass begins here, and ends when it has come round
    uint16_t first_leaf_;
    bool round_;          // beyond the last slot, and on from the first
    bool unseen_;         // there was no walk left for some windows
    bool edge_;      // second pass
    uint32_t slot_;
    uint16_t leaf_;  // kNone: take the first of the slot
    uint64_t at_;    // next address within a coarse leaf
    bool started_;
    // The window under way:
    PageSet set_;
    uint64_t window_;
    bool huge_;
    unsigned page_;
    uint64_t entered_; // where the walks of the leaf began; kFailed if one has failed
    PageCount seen_;   // by them
};

struct PlanCount {
    uint32_t moves;
    uint64_t promote;
    uint64_t demote;
};

// Write the steps of `goal` into `moves`.
PlanCount write_plan(SpaceTable& spaces, Walker& walker, const Goal& goal, const Horizon& horizon, Places& places,
                     tm_move* moves, uint32_t max);

// Of `pages` pages at `addr`, `done` were moved in `direction` and `refused`
// cannot be moved (bits as in tm_outcome).
void note_moved(Space& space, uint64_t addr, uint32_t pages, const uint64_t (&done)[8], const uint64_t (&refused)[8],
                Direction direction);

} // namespace tiermem

#endif
