// SPDX-License-Identifier: GPL-2.0-or-later
// demand.hpp - how many new pages are to be expected in an epoch.
//
// A program that fills its memory once and turns to work is over with it before room
// is made for it, which would only be given back: memory must have come in several
// epochs. (The epochs of a quiet guest are long, so that to fill memory takes one or two
// of them.) Programs that grow do so in steps, which may be seconds apart.
#ifndef TIERMEM_POLICY_DEMAND_HPP
#define TIERMEM_POLICY_DEMAND_HPP

#include "arith.hpp"

namespace tiermem {

struct Demand {
    static constexpr uint32_t kBusy = 3;  // epochs that must have seen as much
    static constexpr uint32_t kFade = 32; // part of it that is forgotten in an epoch

    uint64_t most[kBusy]; // pages, largest first

    // More than `limit` would only be remembered for longer.
    constexpr void note(uint64_t taken, uint64_t limit) {
        uint64_t n = taken < limit ? taken : limit;
        for (uint64_t& m : most) {
            m -= (m + kFade - 1) / kFade;
            if (n > m) {
                const uint64_t less = m;
                m = n;
                n = less;
            }
        }
    }

    [[nodiscard]] constexpr uint64_t expected() const { return most[kBusy - 1]; }
};

} // namespace tiermem

#endif
