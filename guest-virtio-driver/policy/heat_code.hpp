// SPDX-License-Identifier: GPL-2.0-or-later
// heat_code.hpp - a sample counter in one byte.
//
// A minifloat: four bits of exponent, four of mantissa, no sign. Codes 0..31
// mean 0..31; from there each step is 1/16 of the octave. The unit is 1/16 of
// a sample. A count is exact up to 32 samples; beyond, what does not fit is
// rounded up with the right probability (Morris, "Counting large numbers of
// events in small registers", CACM 1978): without bias, with a standard error
// that grows to 18 % at most.
// Largest value: 31 << 14 units, about 31,700 samples.
#ifndef TIERMEM_POLICY_HEAT_CODE_HPP
#define TIERMEM_POLICY_HEAT_CODE_HPP

#include "arith.hpp"

namespace tiermem {

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

// One sample more, as a table: to `next`, and one further with a chance of
// `more` / 65536; `grow` and `step` are what that adds to the value.
struct CodeStep {
    uint32_t grow;
    uint16_t more;
    uint8_t next;
    uint32_t step;
};

constexpr std::array<CodeStep, 256> make_code_steps() {
    std::array<CodeStep, 256> steps{};
    for (unsigned c = 0; c < 256; c++) {
        const uint32_t sum = code_value(static_cast<uint8_t>(c)) + kSampleUnits;
        const uint8_t next = code_floor(sum);
        const uint32_t value = code_value(next);
        const uint32_t step = next == 0xff ? 0 : code_value(static_cast<uint8_t>(next + 1)) - value;
        const uint32_t rest = next == 0xff ? 0 : sum - value;
        const uint32_t more = step == 0 ? 0 : rest * 65536 / step;
        steps[c] = {value - code_value(static_cast<uint8_t>(c)), static_cast<uint16_t>(more), next, step};
    }
    return steps;
}

constexpr std::array<CodeStep, 256> kCodeSteps = make_code_steps();

// The code after one sample more, and what it adds to the value. Unbiased; saturates.
constexpr uint8_t code_count(uint8_t code, Rng& rng, uint32_t& added) {
    const CodeStep& s = kCodeSteps[code];
    added = s.grow;
    if (s.more == 0 || (rng.next() >> 16) >= s.more)
        return s.next;
    added += s.step;
    return static_cast<uint8_t>(s.next + 1);
}

// Half the value, rounded down (by half a unit, 1/32 sample, at most).
constexpr uint8_t code_half(uint8_t code) {
    return code >= 32 ? static_cast<uint8_t>(code - 16) : static_cast<uint8_t>(code >> 1);
}

} // namespace tiermem

#endif
