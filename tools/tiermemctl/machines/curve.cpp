// SPDX-License-Identifier: GPL-2.0-or-later
// curve.cpp - the hotness curve in a guest's statistics
#include "curve.h"

#include <fmt/format.h>

namespace tiermemctl {
namespace {

// The chapter leaves open whether a curve belongs to a tier or to none.
std::vector<std::pair<uint32_t, uint64_t>> series(const Statistics& stats, const char* name) {
    const auto of_none = stats.series(name, Statistics::NO_TIER);
    return of_none.empty() ? stats.series(name, Device::FAST) : of_none;
}

} // namespace

Curve curve_of(const Statistics& stats) {
    const auto bytes = series(stats, "curve-bytes");
    const auto rates = series(stats, "curve-rate");
    Curve curve;
    if (bytes.size() != rates.size()) {
        curve.problem =
            fmt::format("the guest sent {} sizes but {} rates", bytes.size(), rates.size());
        return curve;
    }
    for (size_t i = 0; i < bytes.size(); i++) {
        if (bytes[i].first != i || rates[i].first != i) {
            curve = {{}, fmt::format("point {} is missing", i)};
            return curve;
        }
        curve.points.push_back({bytes[i].second, rates[i].second});
    }
    return curve;
}

} // namespace tiermemctl
