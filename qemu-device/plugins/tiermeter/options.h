// SPDX-License-Identifier: GPL-2.0-or-later
// What the user says behind -plugin tiermeter.so: counts=PATH[,period-ms=N]
#pragma once

#include <chrono>
#include <string>

namespace tiermeter {

struct Options {
    std::string counts;                  // where the counts are published
    std::chrono::milliseconds period{5}; // between two refreshes of it
};

// Parses "name=value" words. Throws std::invalid_argument that names the word and what is allowed.
[[nodiscard]] Options parse_options(int count, const char* const* words);

} // namespace tiermeter
