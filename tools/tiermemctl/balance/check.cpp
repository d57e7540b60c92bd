// SPDX-License-Identifier: GPL-2.0-or-later
// check.cpp - what is refused before anything is decided, and how it is called
#include <algorithm>
#include <bit>

#include "standing.h"

namespace tiermem::balance {

namespace {
constexpr std::uint32_t kPermille = 1000;

Error check_machine(const Machine& machine) {
    const auto sizes = {machine.size,   machine.minimum,  machine.cap,       machine.requested,
                        machine.actual, machine.resident, machine.in_flight, machine.base};
    if (std::ranges::any_of(sizes, [](std::uint64_t size) { return size > kMaxBytes; }))
        return Error::size_range;
    if (machine.weight == 0 || machine.weight > kMaxWeight)
        return Error::weight_range;
    if (!std::has_single_bit(machine.block_size) || machine.block_size > machine.size)
        return Error::block_size;
    if (machine.cap > machine.size)
        return Error::cap_above_size;
    if (blocks_up(machine.minimum, machine.block_size) >
        blocks_down(machine.cap, machine.block_size))
        return Error::minimum_above_cap;
    return Error::none;
}

Error check_whole(const Request& request) {
    const Options& options = request.options;
    if (request.machines.size() > kMaxMachines)
        return Error::too_many_machines;
    if (std::max({options.keep_share, options.hysteresis, options.least_gain}) > kPermille)
        return Error::option_range;
    return request.total > kMaxBytes ? Error::size_range : Error::none;
}
} // namespace

bool check(const Request& request, Result& result) {
    result.error = check_whole(request);
    std::uint64_t sizes = 0;
    for (std::size_t i = 0; result.error == Error::none && i < request.machines.size(); i++) {
        result.error = check_machine(request.machines[i]);
        result.machine = i;
        sizes = plus(sizes, request.machines[i].size);
        if (result.error == Error::none && sizes > kMaxBytes)
            result.error = Error::size_range;
        result.needed = plus(
            result.needed, blocks_up(request.machines[i].minimum, request.machines[i].block_size));
    }
    if (result.error == Error::none && result.needed > request.total)
        result.error = Error::total_below_minima;
    return result.error == Error::none;
}

std::string_view text(Error error) {
    switch (error) {
    case Error::none:
        return "nothing is wrong";
    case Error::too_many_machines:
        return "there are more than 1048576 machines";
    case Error::option_range:
        return "a permille (keep-share, hysteresis, least-gain) is not from 0 to 1000";
    case Error::size_range:
        return "a size, or the sum of the sizes, is above 1 EiB";
    case Error::weight_range:
        return "the weight is not from 1 to 10000";
    case Error::block_size:
        return "the block size is not a power of two that fits into the tier";
    case Error::cap_above_size:
        return "the cap is above the size of the tier";
    case Error::minimum_above_cap:
        return "the guaranteed minimum, in whole blocks, is above the cap";
    case Error::total_below_minima:
        return "the total is smaller than the sum of the guaranteed minima";
    }
    return "unknown error";
}

std::string_view text(Note note) {
    switch (note) {
    case Note::none:
        return "";
    case Note::unreachable:
        return "unreachable";
    case Note::held:
        return "paused or being migrated";
    case Note::slow:
        return "does not shrink";
    case Note::trespassing:
        return "uses memory beyond its quota";
    case Note::no_curve:
        return "no hotness curve";
    case Note::disbelieved:
        return "statistics not believed";
    }
    return "unknown note";
}

} // namespace tiermem::balance
