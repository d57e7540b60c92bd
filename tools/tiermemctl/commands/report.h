// SPDX-License-Identifier: GPL-2.0-or-later
// report.h - how commands print what they have found out
#pragma once

#include <vector>

#include "base/failure.h"
#include "machines/device.h"

namespace tiermemctl {

// Indented, on stdout. Text that is not UTF-8 is replaced.
void print_json(const json& value);
// On one line, for streams of values, and flushed.
void print_json_line(const json& value);

// [{"machine", "where", "device": what query-tiermem says | "error": text}]
[[nodiscard]] json devices_as_json(const std::vector<MachinePtr>& machines,
                                   const std::vector<Outcome<Device>>& devices);

// Names on stderr each machine that did not answer; EXIT_PARTLY if there is one.
ExitStatus complain_of(const std::vector<Outcome<Device>>& devices);

} // namespace tiermemctl
