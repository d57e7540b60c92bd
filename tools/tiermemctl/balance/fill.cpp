// SPDX-License-Identifier: GPL-2.0-or-later
// fill.cpp - see fill.h
#include "fill.h"

#include <algorithm>
#include <array>
#include <bit>

namespace tiermem::balance {

namespace {
constexpr unsigned kDigitBits = 8;

std::uint64_t at_level(const Claim& claim, std::uint64_t level) {
    const Wide wanted = Wide{level} * claim.weight;
    if (wanted <= claim.least)
        return claim.least;
    return wanted < claim.most ? static_cast<std::uint64_t>(wanted)
                               : std::max(claim.least, claim.most);
}

bool suffices(const std::vector<Claim>& claims, std::uint64_t amount, std::uint64_t level) {
    for (const Claim& claim : claims) {
        const std::uint64_t gets = at_level(claim, level);
        if (gets > amount)
            return false;
        amount -= gets;
    }
    return true;
}

struct Cut {
    std::uint64_t heat = 0;  // all that is hotter fits
    std::uint64_t rest = 0;  // bytes of exactly this heat that fit
    std::uint64_t equal = 0; // bytes of exactly this heat
};

using Sums = std::array<std::uint64_t, 1 << kDigitBits>;

unsigned digit(const Segment& segment, unsigned shift) {
    return static_cast<unsigned>(segment.heat >> shift) & ((1U << kDigitBits) - 1);
}

Sums sums_by_digit(const std::vector<Segment>& segments, unsigned shift) {
    Sums sums{};
    for (const Segment& segment : segments)
        sums[digit(segment, shift)] = plus(sums[digit(segment, shift)], segment.bytes);
    return sums;
}

// The highest digits that fit are taken off `amount`; returns the one that does
// not, or 0.
unsigned border(const Sums& sums, std::uint64_t& amount) {
    unsigned digit = static_cast<unsigned>(sums.size()) - 1;
    while (digit > 0 && sums[digit] <= amount)
        amount -= sums[digit--];
    return digit;
}

Cut find_cut(const std::vector<Segment>& segments, std::uint64_t amount) {
    Cut cut;
    std::vector<Segment> left = segments;
    for (unsigned shift = 64; shift > 0;) {
        shift -= kDigitBits;
        const Sums sums = sums_by_digit(left, shift);
        const unsigned here = border(sums, amount);
        cut.heat = cut.heat << kDigitBits | here;
        cut.equal = sums[here];
        std::erase_if(left, [&](const Segment& segment) { return digit(segment, shift) != here; });
    }
    cut.rest = std::min(amount, cut.equal);
    return cut;
}
} // namespace

void fill_by_weight(const std::vector<Claim>& claims, std::uint64_t amount,
                    std::vector<std::uint64_t>& out) {
    std::uint64_t most = 0;
    for (const Claim& claim : claims)
        most = std::max(most, claim.most);
    std::uint64_t level = 0;
    for (auto bit = static_cast<unsigned>(std::bit_width(most)); bit-- > 0;) {
        const std::uint64_t higher = level | std::uint64_t{1} << bit;
        if (suffices(claims, amount, higher))
            level = higher;
    }
    out.resize(claims.size());
    for (std::size_t i = 0; i < claims.size(); i++)
        out[i] = at_level(claims[i], level);
}

void fill_by_heat(const std::vector<Segment>& segments, std::uint64_t amount,
                  std::vector<std::uint64_t>& bytes) {
    const Cut cut = find_cut(segments, amount);
    for (const Segment& segment : segments) {
        if (segment.heat > cut.heat)
            bytes[segment.machine] += segment.bytes;
        else if (segment.heat == cut.heat && cut.equal > 0)
            bytes[segment.machine] += portion(segment.bytes, cut.rest, cut.equal);
    }
}

} // namespace tiermem::balance
