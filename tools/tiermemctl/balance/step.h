// SPDX-License-Identifier: GPL-2.0-or-later
// step.h - the part of the way to the targets that is safe now
#ifndef TIERMEMCTL_BALANCE_STEP_H
#define TIERMEMCTL_BALANCE_STEP_H

#include "standing.h"

namespace tiermem::balance {

// From result.decisions[].target sets .quota and .changes. Shrinks go all the
// way at once. Grows share the room that the total leaves beside all reaches:
// first up to the minima, then class by class, in a class in proportion to what
// each still lacks.
void take_step(const Request& request, const std::vector<Standing>& standings, Result& result);

} // namespace tiermem::balance

#endif
