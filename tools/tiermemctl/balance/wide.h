// SPDX-License-Identifier: GPL-2.0-or-later
// wide.h - integer arithmetic that cannot overflow within balance.h's limits
#ifndef TIERMEMCTL_BALANCE_WIDE_H
#define TIERMEMCTL_BALANCE_WIDE_H

#include <cstdint>

namespace tiermem::balance {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t less(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

constexpr std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
    std::uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? ~std::uint64_t{0} : sum;
}

// value * part / whole for part <= whole, whole > 0: fits wherever value does.
constexpr std::uint64_t portion(std::uint64_t value, std::uint64_t part, std::uint64_t whole) {
    return static_cast<std::uint64_t>(Wide{value} * part / whole);
}

// Whole blocks of a power of two; values are at most kMaxBytes.
constexpr std::uint64_t blocks_down(std::uint64_t value, std::uint64_t block) {
    return value & ~(block - 1);
}
constexpr std::uint64_t blocks_up(std::uint64_t value, std::uint64_t block) {
    return blocks_down(value + (block - 1), block);
}

} // namespace tiermem::balance

#endif
