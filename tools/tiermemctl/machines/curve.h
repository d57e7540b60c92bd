// SPDX-License-Identifier: GPL-2.0-or-later
// curve.h - the hotness curve in a guest's statistics
#pragma once

#include <string>
#include <vector>

#include "device.h"

namespace tiermemctl {

struct CurvePoint {
    uint64_t bytes; // of the hottest memory
    uint64_t rate;  // accesses per second within them
};

struct Curve {
    std::vector<CurvePoint>
        points;          // in the guest's order; nothing is checked but that they are whole
    std::string problem; // why there are none, where the guest has sent some
};

// Joins curve-bytes and curve-rate by their index.
[[nodiscard]] Curve curve_of(const Statistics& stats);

} // namespace tiermemctl
