// SPDX-License-Identifier: GPL-2.0-or-later
// plan.h - what each machine is to have in the end
#ifndef TIERMEMCTL_BALANCE_PLAN_H
#define TIERMEMCTL_BALANCE_PLAN_H

#include <vector>

#include "standing.h"

namespace tiermem::balance {

// Each machine's part of the total by weight, minimum and cap alone.
[[nodiscard]] std::vector<std::uint64_t> shares(const Request& request,
                                                const std::vector<Standing>& standings);

// Bytes for active machines: the total less the reach of all others.
[[nodiscard]] std::uint64_t available(const Request& request,
                                      const std::vector<Standing>& standings);

// Where the policy would have the machines, 0 for those that are not active.
// The sum is within `amount`, unless the minima alone are above that. Memory of
// machine i is result.decisions[i].memory, its share result.decisions[i].share.
[[nodiscard]] std::vector<std::uint64_t> ideals(const Request& request,
                                                const std::vector<Standing>& standings,
                                                const Result& result, std::uint64_t amount);

// The same, but nobody moves for a trifle: a machine grows only for a gain worth
// having, gives only what growers need, and keeps what is of no use to others;
// what is nobody's is shared out. Whole blocks; the sum is within `amount` if
// that of the ideals is.
[[nodiscard]] std::vector<std::uint64_t> damped(const Request& request,
                                                const std::vector<Standing>& standings,
                                                const Result& result, std::uint64_t amount,
                                                const std::vector<std::uint64_t>& ideal);

} // namespace tiermem::balance

#endif
