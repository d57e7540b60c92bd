// SPDX-License-Identifier: GPL-2.0-or-later
// mover.hpp - what all peers share: bringing pages of a wanted list to tier 0 in
// exchange for pages of an unwanted list, within a budget of page copies.
#ifndef TIERSIM_MOVER_HPP
#define TIERSIM_MOVER_HPP

#include <span>

#include "world.hpp"

namespace tiersim {

// Both lists in the order in which they are to be used. Migration as the peers
// do it: demote one to make room, promote one. Returns the copies made.
inline uint64_t move_pages(World& world, std::span<const uint32_t> wanted, std::span<const uint32_t> unwanted,
                           uint64_t budget) {
    const uint64_t before = world.copies();
    size_t cold = 0;
    for (const uint32_t page : wanted) {
        if (world.copies() - before + 2 > budget)
            break;
        if (world.tier(page) != kSlow)
            continue;
        while (world.fast_free() == 0 && cold < unwanted.size())
            world.demote(unwanted[cold++]);
        if (!world.promote(page))
            break;
    }
    return world.copies() - before;
}

} // namespace tiersim

#endif
