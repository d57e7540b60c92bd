// SPDX-License-Identifier: GPL-2.0-or-later
// What the user says behind -plugin tiermeter.so: counts=PATH[,period-ms=N][,range=FIRST-END]
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tiermeter {

// Guest virtual addresses first <= a < end; empty by default.
struct AddressRange {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
};

struct Options {
    std::string counts;                  // where the counts are published
    std::chrono::milliseconds period{5}; // between two refreshes of it
    AddressRange range;                  // code that is counted apart, too
};

// Parses "name=value" words. Throws std::invalid_argument that names the word and what is allowed.
[[nodiscard]] Options parse_options(int count, const char* const* words);

} // namespace tiermeter
