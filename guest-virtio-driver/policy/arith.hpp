// SPDX-License-Identifier: GPL-2.0-or-later
// arith.hpp - saturating integer arithmetic, and logarithms without floating
// point. Everything is pure and works for every argument.
//
// Heat is ranked on a logarithmic scale: 16 steps an octave, so one step is
// 4.4 %. log16(v) = floor(16 * log2(v)); exp16() is its inverse.
#ifndef TIERMEM_POLICY_ARITH_HPP
#define TIERMEM_POLICY_ARITH_HPP

#include <array>
#include <cstddef>
#include <cstdint>

namespace tiermem {

template <typename T> constexpr T sat_add(T a, T b) {
    T sum{};
    return __builtin_add_overflow(a, b, &sum) ? static_cast<T>(~T{0}) : sum;
}

template <typename T> constexpr T sat_sub(T a, T b) { return a > b ? static_cast<T>(a - b) : T{0}; }

constexpr uint64_t sat_mul(uint64_t a, uint64_t b) {
    uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? ~uint64_t{0} : product;
}

// a * b / c for c > 0; saturates. Where the product does not fit, the low bits
// of the larger factor are lost, which is less than 1/2^31 of the result unless
// that is small itself.
constexpr uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c) {
    if (a < b)
        return mul_div(b, a, c);
    uint64_t product = 0;
    unsigned shift = 0;
    while (__builtin_mul_overflow(a, b, &product)) {
        a >>= 1;
        shift++;
    }
    const uint64_t quotient = product / c;
    return shift != 0 && quotient >> (64 - shift) != 0 ? ~uint64_t{0} : quotient << shift;
}

constexpr uint32_t clamp_u32(uint64_t v) { return v > 0xffffffffU ? 0xffffffffU : static_cast<uint32_t>(v); }

constexpr uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

constexpr uint16_t clamp_u16(uint32_t v) { return v > 0xffffU ? uint16_t{0xffff} : static_cast<uint16_t>(v); }

constexpr uint32_t median3(uint32_t a, uint32_t b, uint32_t c) {
    const uint32_t low = a < b ? a : b;
    const uint32_t high = a < b ? b : a;
    return c < low ? low : (c > high ? high : c);
}

constexpr unsigned log2_floor(uint64_t v) { return v == 0 ? 0 : 63U - static_cast<unsigned>(__builtin_clzll(v)); }

// Bits set. Written out: without the popcnt instruction the compiler would call
// a library function that the kernel does not have.
constexpr unsigned count_bits(uint64_t v) {
    v -= (v >> 1) & 0x5555555555555555ULL;
    v = (v & 0x3333333333333333ULL) + ((v >> 2) & 0x3333333333333333ULL);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return static_cast<unsigned>((v * 0x0101010101010101ULL) >> 56);
}

// floor(sqrt(v)), by Newton's method from above.
constexpr uint32_t isqrt(uint64_t v) {
    if (v < 2)
        return static_cast<uint32_t>(v);
    uint64_t x = uint64_t{1} << (log2_floor(v) / 2 + 1);
    for (;;) {
        const uint64_t y = (x + v / x) >> 1;
        if (y >= x)
            return static_cast<uint32_t>(x);
        x = y;
    }
}

namespace tables {
// The four bits of log2 behind the point for a mantissa m in [2^16, 2^17):
// squaring doubles the logarithm, so each squaring yields one more bit.
constexpr unsigned fraction16(uint64_t m) {
    unsigned bits = 0;
    for (int i = 0; i < 4; i++) {
        m = (m * m) >> 16;
        bits <<= 1;
        if (m >= (uint64_t{1} << 17)) {
            bits |= 1;
            m >>= 1;
        }
    }
    return bits;
}

constexpr std::array<uint8_t, 64> make_fractions() {
    std::array<uint8_t, 64> table{};
    for (unsigned i = 0; i < 64; i++)
        table[i] = static_cast<uint8_t>(fraction16((uint64_t{64 + i} << 10) + 512));
    return table;
}

// Smallest mantissa whose logarithm has fraction f.
constexpr std::array<uint32_t, 16> make_powers() {
    std::array<uint32_t, 16> table{};
    for (unsigned f = 0; f < 16; f++) {
        uint32_t low = 1U << 16;
        uint32_t high = 1U << 17;
        while (low < high) {
            const uint32_t middle = low + (high - low) / 2;
            if (fraction16(middle) >= f)
                high = middle;
            else
                low = middle + 1;
        }
        table[f] = low;
    }
    return table;
}

// Tables are each object's own: what objects share (inline, COMDAT) does not always
// survive objtool, and then the module does not link.
constexpr std::array<uint8_t, 64> kFractions = make_fractions();
constexpr std::array<uint32_t, 16> kPowers = make_powers();
} // namespace tables

// floor(16 * log2(v)), within one step; 0 for v = 0 and v = 1.
constexpr int log16(uint64_t v) {
    const uint64_t one = v + (v == 0 ? 1 : 0);
    const auto zeros = static_cast<unsigned>(__builtin_clzll(one));
    const uint64_t top = (one << zeros) >> 57; // 64..127
    return static_cast<int>((63 - zeros) * 16 + tables::kFractions[top & 63]);
}

// 2^(e/16) in units of 2^-scale; saturates; 0 when below one unit.
constexpr uint64_t exp16(int e, unsigned scale) {
    const int whole = (e >> 4) + static_cast<int>(scale) - 16;
    const uint64_t mantissa = tables::kPowers[static_cast<unsigned>(e) & 15];
    if (whole >= 47)
        return ~uint64_t{0};
    if (whole <= -17)
        return 0;
    return whole >= 0 ? mantissa << whole : mantissa >> -whole;
}

namespace tables {
constexpr std::array<uint8_t, 256> make_roots() {
    std::array<uint8_t, 256> table{};
    for (unsigned v = 0; v < 256; v++)
        table[v] = static_cast<uint8_t>(isqrt(uint64_t{v} << 8)); // 16 * sqrt(v)
    return table;
}
constexpr std::array<uint8_t, 256> kRoots = make_roots();
} // namespace tables

// sqrt(v) within 2 %, in a few instructions, for statistics; rounds down, and
// what is below 256 exactly so.
constexpr uint32_t sqrt_about(uint64_t v) {
    if (v < 256)
        return tables::kRoots[v] >> 4;
    const unsigned shift = (log2_floor(v) - 6) & ~1U; // leaves 64..255
    return static_cast<uint32_t>((uint64_t{tables::kRoots[v >> shift]} << (shift / 2)) >> 4);
}

// Small fast generator, for unbiased rounding only: the upper half of a linear
// congruential one (Knuth, MMIX), four instructions a number.
class Rng {
  public:
    explicit constexpr Rng(uint64_t seed) : state_(seed) {}
    constexpr uint32_t next() {
        state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<uint32_t>(state_ >> 32);
    }

  private:
    uint64_t state_;
};

} // namespace tiermem

#endif
