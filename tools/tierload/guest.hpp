// SPDX-License-Identifier: GPL-2.0-or-later
// guest.hpp - what the kernel says of memory, time and page moves.
#ifndef TIERLOAD_GUEST_HPP
#define TIERLOAD_GUEST_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace tierload {

// Bytes that programs can still have (MemAvailable). Throws std::runtime_error.
std::size_t available_memory();

// Bytes of a node that can be filled without that the kernel begins to reclaim there: what is free
// less the node's high watermarks and a reserve. 0 when less is free. Throws std::runtime_error
// when there is no such node.
std::size_t node_free(int node);

// CLOCK_MONOTONIC in nanoseconds.
std::uint64_t now();

// The processor's time stamp counter, which an emulator's clock drives directly.
std::uint64_t time_stamp();

// Counters of /proc/vmstat that tell of page moves and what they take; those that this kernel has.
std::map<std::string, std::uint64_t> move_counters();

// The number that a file begins with, if it can be read and does so.
std::optional<std::uint64_t> number_in(const std::string& file);

} // namespace tierload

#endif
