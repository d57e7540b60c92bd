// SPDX-License-Identifier: GPL-2.0-or-later
// change.h - changing several machines: all of them or none
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "machines/device.h"

namespace tiermemctl {

struct Change {
    MachinePtr machine;
    std::string command;
    json arguments;
    json undo;           // arguments of the same command that restore what was
    std::string summary; // "fast 1G -> 512M"
    json report;         // what --json tells of it
};

// The devices of all machines; throws if one cannot be asked, as then nothing is to be changed.
[[nodiscard]] std::vector<Device> query_for_change(const std::vector<MachinePtr>& machines,
                                                   std::chrono::milliseconds limit);

// Gives the commands one after the other. If one fails, those before it are undone, and the Failure
// says what is as it was and what may not be. Prints what was changed.
void apply_all(const std::vector<Change>& changes, std::chrono::milliseconds limit, bool as_json);

// A command whose answer is waited for.
[[nodiscard]] Outcome<json> execute_now(Machine& machine, const std::string& command,
                                        const json& arguments, std::chrono::milliseconds limit);

} // namespace tiermemctl
