// SPDX-License-Identifier: GPL-2.0-or-later
// quantity.h - sizes, rates and durations as people write them
//
//   "512M" -> 536870912      "1.5G" -> 1610612736      "250ms" -> 250      536870912 -> "512M"
//
// Units of sizes are powers of 1024, as QEMU's are. All parse functions throw BadInput that quotes
// the text and says what is allowed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiermemctl {

// Bytes, below 256 TiB: a number with an optional unit K, M, G or T (also KiB, KB, ...), whole in
// bytes.
[[nodiscard]] uint64_t parse_size(std::string_view text);

// Bytes per second: a size, optionally followed by "/s".
[[nodiscard]] uint64_t parse_rate(std::string_view text);

// A whole number of ms, s, m or h, from 1 ms to 49 days (QMP's deadlines are 32 bits of ms). A
// number without a unit is refused: its meaning would have to be guessed.
[[nodiscard]] std::chrono::milliseconds parse_duration(std::string_view text);

// The shortest exact way to write a size: "512M", "1536M", "4097".
[[nodiscard]] std::string format_size(uint64_t bytes);

// For tables: at most 5 characters and 3 significant digits, rounded: "1.50G", "768M", "12.3K".
[[nodiscard]] std::string format_short(uint64_t bytes);

} // namespace tiermemctl
