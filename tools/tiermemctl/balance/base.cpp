// SPDX-License-Identifier: GPL-2.0-or-later
// base.cpp - what guests' kernels have of fast memory, taken out of a request and put back
#include "base.h"

#include <algorithm>
#include <numeric>

#include "wide.h"

namespace tiermem::balance {

std::vector<std::uint64_t> bases(const Request& request) {
    const auto needs = [](const Machine& machine) { return machine.base > 0; };
    if (request.options.policy == Policy::fixed || std::ranges::none_of(request.machines, needs))
        return {};
    std::vector<std::uint64_t> all;
    for (const Machine& machine : request.machines)
        all.push_back(blocks_down(std::min({machine.base, machine.cap, machine.requested}),
                                  machine.block_size));
    return all;
}

Request without_bases(const Request& request, const std::vector<std::uint64_t>& bases) {
    Request beyond = request;
    beyond.total =
        less(request.total, std::accumulate(bases.begin(), bases.end(), std::uint64_t{0}));
    for (std::size_t i = 0; i < bases.size(); i++) {
        Machine& machine = beyond.machines[i];
        for (std::uint64_t* size :
             {&machine.size, &machine.minimum, &machine.cap, &machine.requested, &machine.actual,
              &machine.resident, &machine.in_flight, &machine.memory.target,
              &machine.memory.over_least})
            *size = less(*size, bases[i]);
    }
    return beyond;
}

void put_back(const Request& request, const std::vector<std::uint64_t>& bases, Result& result) {
    for (std::size_t i = 0; i < bases.size(); i++) {
        Decision& decision = result.decisions[i];
        for (std::uint64_t* size :
             {&decision.target, &decision.quota, &decision.reach, &decision.share,
              &decision.memory.target, &decision.memory.over_least, &result.reach})
            *size += bases[i];
    }
    result.excess = less(result.reach, request.total);
}

} // namespace tiermem::balance
