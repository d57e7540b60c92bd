// SPDX-License-Identifier: GPL-2.0-or-later
// What the user says behind -plugin tiermeter.so: NAME=VALUE[,NAME=VALUE...]; docs/tiermeter.md
// lists them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache_model.h"
#include "hypervisor.h"

namespace tiermeter {

// Guest virtual addresses first <= a < end; empty by default.
struct AddressRange {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
};

struct Options {
    // Instruction counts that others map.
    std::string counts;
    std::chrono::milliseconds period{5}; // between two refreshes of it
    AddressRange range;                  // code that is counted apart, too

    // Accesses; looked at only if there is a log.
    std::string log;
    std::chrono::milliseconds interval{100}; // between samples
    CacheShape llc;
    bool clock = false;
    std::vector<std::uint32_t> latency;   // ns, by tier; empty: what the machine says
    std::vector<std::uint64_t> bandwidth; // bytes per second, by tier; 0 or missing: no limit
    std::uint32_t hit_latency = 20;       // ns, in records only
    std::optional<std::uint32_t> tlb_entries;
    HypervisorSettings hypervisor;
};

// Parses "name=value" words. Throws std::invalid_argument that names the word and what is allowed.
[[nodiscard]] Options parse_options(int count, const char* const* words);

} // namespace tiermeter
