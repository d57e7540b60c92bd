// SPDX-License-Identifier: GPL-2.0-or-later
// demand.hpp - how many new pages are to be expected in an epoch.
//
// A program that fills its memory once and turns to work is over with it before room
// is made for it, which would only be given back: memory must have come in several of
// the last epochs. The epochs of a quiet guest are long, so that to fill memory takes
// one or two of them.
#ifndef TIERMEM_POLICY_DEMAND_HPP
#define TIERMEM_POLICY_DEMAND_HPP

#include "arith.hpp"

namespace tiermem {

struct Demand {
    static constexpr uint32_t kEpochs = 8; // remembered, two seconds of the driver's
    static constexpr uint32_t kBusy = 3;   // of them must have seen as much

    uint64_t pages[kEpochs];
    uint32_t at;

    constexpr void note(uint64_t taken) {
        pages[at] = taken;
        at = (at + 1) % kEpochs;
    }

    // Pages in an epoch: what kBusy of the last kEpochs had, or more.
    [[nodiscard]] constexpr uint64_t expected() const {
        uint64_t most[kBusy]{}; // largest first
        for (uint64_t n : pages)
            for (uint64_t& m : most)
                if (n > m) {
                    const uint64_t less = m;
                    m = n;
                    n = less;
                }
        return most[kBusy - 1];
    }
};

} // namespace tiermem

#endif
