// SPDX-License-Identifier: GPL-2.0-or-later
// curve.cpp - see curve.hpp
#include "curve.hpp"

namespace tiermem {

uint32_t make_curve(const Ranking& ranking, uint64_t pace, tm_curve_point* points) {
    constexpr unsigned per_point = kRanks / TM_CURVE_POINTS;
    const uint64_t known = ranking.heat();
    uint32_t filled = 0;
    uint64_t pages = 0;
    uint64_t heat = 0; // 1/256 accesses
    for (unsigned octave = TM_CURVE_POINTS; octave > 0; octave--) {
        uint64_t here = 0;
        for (unsigned i = 0; i < per_point; i++) {
            const unsigned rank = octave * per_point - 1 - i;
            here = sat_add(here, ranking.pages(rank));
            heat = sat_add(heat, sat_mul(ranking.pages(rank), rank_heat(static_cast<uint16_t>(rank))));
        }
        if (here == 0)
            continue;
        pages = sat_add(pages, here);
        points[filled++] = {sat_mul(pages, uint64_t{1} << kPageShift),
                            known == 0 ? 0 : mul_div(heat >> 8, pace, known)};
    }
    return filled;
}

} // namespace tiermem
