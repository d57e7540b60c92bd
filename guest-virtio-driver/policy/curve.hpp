// SPDX-License-Identifier: GPL-2.0-or-later
// curve.hpp - the hotness curve for the host: bytes by descending heat, at most
// 32 points (one an octave of heat), from which the host knows what a further
// byte of fast memory would bring to this machine.
#ifndef TIERMEM_POLICY_CURVE_HPP
#define TIERMEM_POLICY_CURVE_HPP

#include "policy.h"
#include "ranking.hpp"

namespace tiermem {

// Fill `points` (TM_CURVE_POINTS of them); returns how many.
uint32_t make_curve(const Ranking& ranking, tm_curve_point* points);

} // namespace tiermem

#endif
