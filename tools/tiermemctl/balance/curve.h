// SPDX-License-Identifier: GPL-2.0-or-later
// curve.h - hotness curves: whether one can be true, how hot a piece of one is,
// and the mean of what a machine has said over time
#ifndef TIERMEMCTL_BALANCE_CURVE_H
#define TIERMEMCTL_BALANCE_CURVE_H

#include "balance.h"
#include "wide.h"

namespace tiermem::balance {

// Means have rates in units of 1/1024 accesses per second, so that little is
// lost where machines do little.
inline constexpr unsigned kMeanShift = 10;
// memory.noise is in this part of a permille.
inline constexpr std::uint32_t kNoiseUnit = 1024;

// A piece of a curve between two points.
struct Piece {
    std::uint64_t bytes = 0;
    std::uint64_t rate = 0;
};

// The piece that ends at point i.
[[nodiscard]] inline Piece piece(const Curve& curve, std::size_t i) {
    const Point from = i == 0 ? Point{} : curve.points[i - 1];
    const Point& to = curve.points[i];
    return {less(to.bytes, from.bytes), less(to.rate, from.rate)};
}

// Whether a curve has the shape that balance.h promises. Rates are whole
// numbers that were rounded on the way, so heat may rise by an eighth.
[[nodiscard]] bool plausible(const Curve& curve);

// Bytes that are accessed at all, by a plausible curve.
[[nodiscard]] std::uint64_t used_bytes(const Curve& curve);

// How hot: orders as gain / bytes does, with 31 significant bits, and is 0 only
// for gain 0. A floating-point number made of integers, 31 bits of mantissa
// below the exponent, so that a difference is about one of logarithms.
// gain < 2^100, 0 < bytes <= kMaxBytes.
[[nodiscard]] std::uint64_t heat(Wide gain, std::uint64_t bytes);

// Takes a plausible curve into the mean of those before (see kMeanShift). Chance
// moves the mean little; a curve that differs by more than an eighth, or three
// times what it usually does, within the first half, one or two times of `held`
// bytes is a change, and replaces it. Changes memory.average, samples and noise.
void learn(Memory& memory, const Curve& curve, std::uint64_t held);

} // namespace tiermem::balance

#endif
