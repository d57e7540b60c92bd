// SPDX-License-Identifier: GPL-2.0-or-later
// standing.h - what one machine's values say: whether it takes part, whether
// its curve counts, and the limits in whole blocks
#ifndef TIERMEMCTL_BALANCE_STANDING_H
#define TIERMEMCTL_BALANCE_STANDING_H

#include "balance.h"
#include "wide.h"

namespace tiermem::balance {

struct Standing {
    Note note = Note::none;
    bool active = false;     // takes part; otherwise it is counted with its reach
    bool by_curve = false;   // memory.average says what it gains
    std::uint64_t least = 0; // its minimum, in blocks
    std::uint64_t most = 0;  // its cap, in blocks
    std::uint64_t reach = 0;
    std::uint64_t held = 0; // its last target, within least and most
};

// Refuses what balance.h says; sets error, machine and needed.
[[nodiscard]] bool check(const Request& request, Result& result);

// `memory` is the machine's, and is brought up to date.
[[nodiscard]] Standing assess(const Machine& machine, const Options& options, std::uint64_t now_ms,
                              Memory& memory);

} // namespace tiermem::balance

#endif
