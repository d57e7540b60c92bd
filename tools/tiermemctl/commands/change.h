// SPDX-License-Identifier: GPL-2.0-or-later
// change.h - changing several machines: all of them or none
#pragma once

#include <functional>
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

// What is to be changed on a machine; throws a Failure that says why it cannot be.
using ChangeOf = std::function<Change(const MachinePtr&, const Device&)>;

// Finds the machines, has each checked by `change_of` before any is changed, and gives the commands
// one after the other. If one fails, those before it are undone, and the Failure says what is as it
// was and what may not be. Prints and returns what was changed.
std::vector<Change> change_machines(const Reach& reach, const std::vector<std::string>& names,
                                    bool as_json, const ChangeOf& change_of);

// A command whose answer is waited for.
[[nodiscard]] Outcome<json> execute_now(Machine& machine, const std::string& command,
                                        const json& arguments, std::chrono::milliseconds limit);

} // namespace tiermemctl
