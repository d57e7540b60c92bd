// SPDX-License-Identifier: GPL-2.0-or-later
// curve.cpp - see curve.h
#include "curve.h"

#include <algorithm>
#include <bit>

namespace tiermem::balance {

namespace {
// Accesses per second by which a rounded rate may be off.
constexpr std::uint64_t kRounding = 16;

unsigned width(Wide value) {
    const auto high = static_cast<std::uint64_t>(value >> 64);
    return high != 0 ? 64 + static_cast<unsigned>(std::bit_width(high))
                     : static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(value)));
}

bool rises(const Piece& before, const Piece& after) {
    const Wide hottest = Wide{plus(before.rate, kRounding)} * after.bytes;
    return Wide{less(after.rate, kRounding)} * before.bytes > hottest + hottest / 8;
}
} // namespace

bool plausible(const Curve& curve) {
    if (curve.count > kCurvePoints)
        return false;
    Point last{};
    for (std::size_t i = 0; i < curve.count; i++) {
        const Point& point = curve.points[i];
        if (point.bytes <= last.bytes || point.bytes > kMaxBytes || point.rate < last.rate ||
            (i > 0 && rises(piece(curve, i - 1), piece(curve, i))))
            return false;
        last = point;
    }
    return true;
}

std::uint64_t used_bytes(const Curve& curve) {
    for (std::size_t i = curve.count; i > 0; i--)
        if (piece(curve, i - 1).rate > 0)
            return curve.points[i - 1].bytes;
    return 0;
}

std::uint64_t rate_within(const Curve& curve, std::uint64_t bytes) {
    const auto* begin = curve.points.data();
    const auto* end = begin + std::min<std::size_t>(curve.count, kCurvePoints);
    const auto* above = std::upper_bound(
        begin, end, bytes, [](std::uint64_t b, const Point& point) { return b < point.bytes; });
    const Point from = above == begin ? Point{} : above[-1];
    const Piece part =
        above == end ? Piece{} : piece(curve, static_cast<std::size_t>(above - begin));
    return part.bytes == 0 ? from.rate
                           : from.rate + portion(part.rate, less(bytes, from.bytes), part.bytes);
}

std::uint64_t heat(Wide gain, std::uint64_t bytes) {
    if (gain == 0 || bytes == 0)
        return 0;
    // 63 bits over 31 bits: the quotient has 32 or 33.
    const int gain_shift = static_cast<int>(width(gain)) - 63;
    const int bytes_shift = static_cast<int>(std::bit_width(bytes)) - 31;
    const auto numerator =
        static_cast<std::uint64_t>(gain_shift > 0 ? gain >> gain_shift : gain << -gain_shift);
    const std::uint64_t denominator =
        bytes_shift > 0 ? bytes >> bytes_shift : bytes << -bytes_shift;
    std::uint64_t quotient = numerator / denominator;
    int exponent = gain_shift - bytes_shift;
    if (quotient >> 32 != 0) {
        quotient >>= 1;
        exponent++;
    }
    // The least exponent is that of 1 over kMaxBytes: -62 - 30.
    return static_cast<std::uint64_t>(exponent + 128) << 31 | (quotient & 0x7fffffff);
}

} // namespace tiermem::balance
