// SPDX-License-Identifier: GPL-2.0-or-later
// heat_code.hpp - a sample counter in one byte.
//
// A minifloat: four bits of exponent, four of mantissa, no sign. Codes 0..31
// mean 0..31; from there each step is 1/16 of the octave. The unit is 1/16 of
// a sample, so a count is exact up to 32 samples and then within 6 %, without
// bias: what does not fit is rounded up with the right probability (Morris,
// "Counting large numbers of events in small registers", CACM 1978).
// Largest value: 31 << 14 units, about 31,700 samples.
#ifndef TIERMEM_POLICY_HEAT_CODE_HPP
#define TIERMEM_POLICY_HEAT_CODE_HPP

#include "arith.hpp"

namespace tm {

inline constexpr uint32_t kSampleUnits = 16;

constexpr uint32_t code_value(uint8_t code) {
    const unsigned exponent = code >> 4;
    return exponent == 0 ? code : (16U + (code & 15U)) << (exponent - 1);
}

inline constexpr uint32_t kCodeMax = code_value(0xff);

// Largest code whose value is at most v.
constexpr uint8_t code_floor(uint32_t v) {
    if (v < 16)
        return static_cast<uint8_t>(v);
    if (v >= kCodeMax)
        return 0xff;
    const unsigned exponent = log2_floor(v) - 3;
    return static_cast<uint8_t>((exponent << 4) | ((v >> (exponent - 1)) & 15U));
}

// The code after `units` more; unbiased; saturates.
constexpr uint8_t code_add(uint8_t code, uint32_t units, Rng& rng) {
    const uint32_t sum = sat_add(code_value(code), units);
    const uint8_t low = code_floor(sum);
    const uint32_t rest = sum - code_value(low);
    if (rest == 0 || low == 0xff)
        return low;
    const uint32_t step = code_value(static_cast<uint8_t>(low + 1)) - code_value(low);
    return rng.next() % step < rest ? static_cast<uint8_t>(low + 1) : low;
}

// Half the value, rounded down (by half a unit, 1/32 sample, at most).
constexpr uint8_t code_half(uint8_t code) {
    return code >= 32 ? static_cast<uint8_t>(code - 16) : static_cast<uint8_t>(code >> 1);
}

} // namespace tm

#endif
