// SPDX-License-Identifier: GPL-2.0-or-later
// curve.cpp - the hotness curve in a guest's statistics
#include "curve.h"

#include <fmt/format.h>

namespace tiermemctl {
Curve curve_of(const Statistics& stats) {
    const auto bytes = stats.series("curve-bytes", Statistics::NO_TIER);
    const auto rates = stats.series("curve-rate", Statistics::NO_TIER);
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
