// SPDX-License-Identifier: GPL-2.0-or-later
// base.h - what guests' kernels have of fast memory, taken out of a request and put back
//
// A curve begins where the base ends, so all is decided for what lies beyond it. The same bytes are
// taken from each of a machine's sizes and, together, from the total: what is safe beyond the bases
// is safe with them.
#ifndef TIERMEMCTL_BALANCE_BASE_H
#define TIERMEMCTL_BALANCE_BASE_H

#include <vector>

#include "balance.h"

namespace tiermem::balance {

// Bytes of each machine, in whole blocks: what it is said to need, as far as it has it now. Empty
// where nobody needs any, or where curves do not matter.
[[nodiscard]] std::vector<std::uint64_t> bases(const Request& request);

[[nodiscard]] Request without_bases(const Request& request,
                                    const std::vector<std::uint64_t>& bases);

// Makes the result of without_bases() that of the request.
void put_back(const Request& request, const std::vector<std::uint64_t>& bases, Result& result);

} // namespace tiermem::balance

#endif
