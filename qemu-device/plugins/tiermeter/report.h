// SPDX-License-Identifier: GPL-2.0-or-later
// What the log says, as JSON objects; docs/tiermeter.md describes them.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "access_meter.h"
#include "instruction_count.h"
#include "options.h"
#include "tiers.h"

namespace tiermeter {

// The setting; `instruction_ns` is 0 without the clock.
[[nodiscard]] nlohmann::ordered_json report_start(const Options& options,
                                                  const std::vector<Tier>& tiers,
                                                  std::uint32_t tlb_entries,
                                                  std::uint32_t instruction_ns);

// All counts so far, as `type`: "sample" or "total".
[[nodiscard]] nlohmann::ordered_json report_counts(const char* type, std::uint64_t time_ns,
                                                   unsigned vcpus, std::size_t tiers,
                                                   const InstructionCount& instructions,
                                                   const AccessMeter& accesses);

} // namespace tiermeter
