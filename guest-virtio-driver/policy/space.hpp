// SPDX-License-Identifier: GPL-2.0-or-later
// space.hpp - the address spaces under management: found by id, kept in slots.
#ifndef TIERMEM_POLICY_SPACE_HPP
#define TIERMEM_POLICY_SPACE_HPP

#include "range_tree.hpp"

namespace tiermem {

struct Space {
    uint64_t id;
    uint64_t min_fast;   // pages not demoted for the sake of others
    uint64_t fast_pages; // on tier 0, as of the last ranking
    uint64_t tried;      // up to here of a large range nothing could be demoted; the next plan goes on there. A window's start
    bool spared;         // had no more than `min_fast` at the ranking before
    uint32_t bytes;      // of this block
    uint32_t next_due;   // node that is looked at first when ranges are walked again
    int bias;            // added to each rank: 16 * log2(weight / 16)
    RangeTree tree;
    // The tree's memory follows.
};

class SpaceTable {
  public:
    static constexpr uint32_t kMaxSpaces = 65536;
    // Memory wanted for `max` spaces.
    static size_t bytes_for(uint32_t max);
    void init(void* memory, uint32_t max);

    [[nodiscard]] Space* find(uint64_t id) const;
    // Room for one more must have been checked by full().
    void insert(Space* space);
    // Takes it out of the table, does not free it; nullptr when absent.
    Space* remove(uint64_t id);

    [[nodiscard]] bool full() const { return count_ == max_; }
    [[nodiscard]] uint32_t count() const { return count_; }
    // Slots [0, top()) may hold spaces; slot() may be nullptr.
    [[nodiscard]] uint32_t top() const { return top_; }
    [[nodiscard]] Space* slot(uint32_t i) const { return slots_[i]; }
    [[nodiscard]] int validate() const;

  private:
    [[nodiscard]] uint32_t home(uint64_t id) const;
    [[nodiscard]] uint32_t locate(uint64_t id) const;

    Space** slots_;
    uint32_t* index_; // open addressing, linear probing: slot + 1, 0 = empty
    uint32_t index_bits_;
    uint32_t max_;
    uint32_t top_;
    uint32_t count_;
};

} // namespace tiermem

#endif
