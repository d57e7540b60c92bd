// SPDX-License-Identifier: GPL-2.0-or-later
// placement.hpp - touches the workload's memory, and puts it where the oracle or the user says.
#ifndef TIERLOAD_PLACEMENT_HPP
#define TIERLOAD_PLACEMENT_HPP

#include <cstddef>
#include <vector>

#include "area.hpp"
#include "heat.hpp"
#include "settings.hpp"

namespace tierload {

// Places the pages of one area. Without a wish for a place the kernel places them, touched in
// order. Pages that are placed at first touch cost no move, and leave no memory policy behind.
class Placement {
public:
    // `fast_pages`: how many the ideal may have on the fast node.
    Placement(const Area& area, const Settings& settings, std::size_t fast_pages);

    // Decides where pages shall be that are accessed like this from now on. For the ideal only;
    // anything else ignores the heat.
    void plan(const Heat& heat);

    // Touches pages [first, end) according to the plan. Throws std::system_error.
    void touch(std::size_t first, std::size_t end);

    // Moves touched pages of [0, end) that are elsewhere than planned, demotions first.
    // Throws std::system_error; single pages that the kernel does not move are left.
    void move(std::size_t end);

    [[nodiscard]] const std::vector<bool>& fast() const { return planned_; }

private:
    void touch_on(std::size_t first, std::size_t end, bool fast);
    void move_to(const std::vector<std::size_t>& pages, int node) const;

    const Area& area_;
    Place place_;
    int fast_node_;
    int slow_node_;
    std::size_t fast_pages_;
    std::vector<bool> planned_; // for the ideal: pages that belong into fast memory
    std::vector<bool> placed_;  // where they were put
};

} // namespace tierload

#endif
