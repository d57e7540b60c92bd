// SPDX-License-Identifier: GPL-2.0-or-later
// curve.hpp - the hotness curve for the host: bytes by descending heat, at most
// 32 points (one an octave of heat), from which the host knows what a further
// byte of fast memory would bring to this machine. Its shape is that of the
// ranking, which has a long memory. How high it is follows the machine's pace of
// the last epochs, which changes when its work does or when it gets more fast memory.
#ifndef TIERMEM_POLICY_CURVE_HPP
#define TIERMEM_POLICY_CURVE_HPP

#include "policy.h"
#include "ranking.hpp"

namespace tiermem {

// Fill `points` (TM_CURVE_POINTS of them) for a machine with `pace` accesses an
// epoch; returns how many.
uint32_t make_curve(const Ranking& ranking, uint64_t pace, tm_curve_point* points);

} // namespace tiermem

#endif
