// SPDX-License-Identifier: GPL-2.0-or-later
// metrics.h - machines as Prometheus metrics
//
// Names and units are by Prometheus' conventions: base units, _total for counters, a label for what
// is summed over. All carry the label `machine`, most `tier`.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "machines/device.h"

namespace tiermemctl {

// One family a metric; machines that did not answer only have tiermem_up 0.
[[nodiscard]] std::vector<prometheus::MetricFamily>
metrics_of(const std::vector<MachinePtr>& machines, const std::vector<Outcome<Device>>& devices);

} // namespace tiermemctl
