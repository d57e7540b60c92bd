// SPDX-License-Identifier: GPL-2.0-or-later
// fill.h - two ways to pour an amount of bytes out over claims
#ifndef TIERMEMCTL_BALANCE_FILL_H
#define TIERMEMCTL_BALANCE_FILL_H

#include <cstdint>
#include <vector>

#include "wide.h"

namespace tiermem::balance {

// Wants at least `least` and at most `most` bytes, in between by weight.
struct Claim {
    std::uint32_t machine = 0;
    std::uint32_t weight = 1;
    std::uint64_t least = 0;
    std::uint64_t most = 0;
};

// Weighted max-min fairness: every claim gets weight x level, but not less than
// its least nor more than its most; the level is the highest at which `amount`
// suffices, in whole bytes. Everybody gets the least even if it does not
// suffice. in[i] becomes what claim i gets.
void fill_by_weight(const std::vector<Claim>& claims, std::uint64_t amount,
                    std::vector<std::uint64_t>& out);

// Bytes of equal heat that a machine could use.
struct Segment {
    std::uint64_t heat = 0;
    std::uint64_t bytes = 0;
    std::uint32_t machine = 0;
};

// The hottest `amount` bytes of all segments: adds what each machine gets to
// bytes[machine]. Where segments of equal heat do not all fit, each gets the
// same part of its bytes.
//
// Selects by the digits of the heat, from the highest on, so that the time is
// linear whatever values the guests claim.
void fill_by_heat(const std::vector<Segment>& segments, std::uint64_t amount,
                  std::vector<std::uint64_t>& bytes);

} // namespace tiermem::balance

#endif
