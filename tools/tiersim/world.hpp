// SPDX-License-Identifier: GPL-2.0-or-later
// world.hpp - the simulated machine: address spaces, pages, two tiers.
//
// Pages are numbered 0..pages()-1 over all areas. The page map says which tier
// a page is on; exchanging and migrating is charged to the model clock.
#ifndef TIERSIM_WORLD_HPP
#define TIERSIM_WORLD_HPP

#include <cstdint>
#include <vector>

namespace tiersim {

inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint8_t kFast = 0;
inline constexpr uint8_t kSlow = 1;
inline constexpr uint8_t kAbsent = 0xff;

// A mapping: `count` pages from page number `first` on, at address `start`.
struct Area {
    uint64_t space;
    uint64_t start; // bytes
    uint32_t first;
    uint32_t count;
};

// Costs of the modelled machine; the figures are those of the measuring bench
// (1 ns an instruction, 80 / 200 ns a miss). A copy misses once for each line of
// both pages, and so does the exchange of two pages.
struct Costs {
    double fast_ns = 80;
    double slow_ns = 200;
    double work_ns = 20; // of the program, for each access that misses
    double copy_ns = 18000;     // of a page to a free one
    double exchange_ns = 20600; // of two pages, as the driver measures it there
    double sample_ns = 60;
};

class World {
  public:
    // Areas must be added in (space, start) order.
    void add_area(uint64_t space, uint64_t start, uint32_t count);
    [[nodiscard]] const std::vector<Area>& areas() const { return areas_; }
    [[nodiscard]] uint32_t pages() const { return static_cast<uint32_t>(tier_.size()); }
    [[nodiscard]] uint64_t address(uint32_t page) const;
    [[nodiscard]] uint64_t space(uint32_t page) const;
    // Page number at an address; -1: not mapped.
    [[nodiscard]] int64_t page_at(uint64_t space, uint64_t address) const;
    // First mapped address at or after `address` of this space, or ~0.
    [[nodiscard]] uint64_t next_mapped(uint64_t space, uint64_t address) const;

    void set_quota(uint64_t pages) { quota_ = pages; }
    [[nodiscard]] uint64_t quota() const { return quota_; }
    [[nodiscard]] uint64_t fast_used() const { return fast_used_; }
    [[nodiscard]] uint64_t fast_free() const { return quota_ > fast_used_ ? quota_ - fast_used_ : 0; }
    [[nodiscard]] uint8_t tier(uint32_t page) const { return tier_[page]; }

    // First touch: fast while there is room.
    void touch(uint32_t page);
    // Move one page; false when it is not there or there is no room.
    bool promote(uint32_t page);
    bool demote(uint32_t page);
    // Swap a slow page with a fast one.
    bool exchange(uint32_t slow, uint32_t fast);
    // Pages touched so far.
    [[nodiscard]] uint64_t touched() const { return touched_; }
    // Page copies done so far.
    [[nodiscard]] uint64_t copies() const { return copies_; }
    [[nodiscard]] uint64_t promotions() const { return promotions_; }
    // Nanoseconds that copies and exchanges have taken so far.
    [[nodiscard]] double moving_ns(const Costs& costs) const {
        return static_cast<double>(copies_ - 2 * exchanges_) * costs.copy_ns + static_cast<double>(exchanges_) * costs.exchange_ns;
    }

  private:
    [[nodiscard]] const Area& area_of(uint32_t page) const;
    std::vector<Area> areas_;
    std::vector<uint8_t> tier_;
    std::vector<uint32_t> area_index_; // by page / 512
    uint64_t quota_ = 0;
    uint64_t fast_used_ = 0;
    uint64_t copies_ = 0;
    uint64_t exchanges_ = 0;
    uint64_t touched_ = 0;
    uint64_t promotions_ = 0;
};

} // namespace tiersim

#endif
