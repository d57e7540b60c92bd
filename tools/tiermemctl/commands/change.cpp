// SPDX-License-Identifier: GPL-2.0-or-later
// change.cpp - changing several machines: all of them or none
#include "change.h"

#include <fmt/format.h>

#include "base/glib.h"
#include "base/table.h"
#include "report.h"

namespace tiermemctl {
namespace {

// Restores the first `count` changes, the last one first; the names of machines where that failed.
std::string undo(const std::vector<Change>& changes, size_t count,
                 std::chrono::milliseconds limit) {
    std::string failed;
    for (size_t i = count; i-- > 0;)
        if (!execute_now(*changes[i].machine, changes[i].command, changes[i].undo, limit))
            failed += fmt::format("{}{}", failed.empty() ? "" : ", ", changes[i].machine->name());
    return failed;
}

void print(const std::vector<Change>& changes, bool as_json) {
    json all = json::array();
    for (const Change& change : changes) {
        all.push_back(change.report);
        if (!as_json)
            fmt::print("{}: {}\n", printable(change.machine->name()), change.summary);
    }
    if (as_json)
        print_json(all);
}

// The devices of all machines; throws if one cannot be asked, as then nothing is to be changed.
std::vector<Device> query_for_change(const std::vector<MachinePtr>& machines,
                                     std::chrono::milliseconds limit) {
    std::vector<Device> devices;
    for (const auto& device : query_all(machines, limit)) {
        if (!device)
            throw Failure(fmt::format("{}; nothing was changed", device.failure().what()));
        devices.push_back(device.value());
    }
    return devices;
}

void apply_all(const std::vector<Change>& changes, std::chrono::milliseconds limit) {
    for (size_t i = 0; i < changes.size(); i++) {
        const Change& change = changes[i];
        const auto outcome = execute_now(*change.machine, change.command, change.arguments, limit);
        if (outcome)
            continue;
        const std::string not_undone = undo(changes, i, limit);
        throw Failure(fmt::format("{}; {}", outcome.failure().what(),
                                  not_undone.empty() ? "the other machines are as they were"
                                                     : "could not be undone on: " + not_undone));
    }
}

} // namespace

std::vector<Change> change_machines(const Reach& reach, const std::vector<std::string>& names,
                                    bool as_json, const ChangeOf& change_of) {
    Finder finder(reach.places());
    const auto machines = find_machines(finder, names, reach.limit());
    const auto devices = query_for_change(machines, reach.limit());
    std::vector<Change> changes;
    for (size_t i = 0; i < machines.size(); i++)
        changes.push_back(change_of(machines[i], devices[i]));
    apply_all(changes, reach.limit());
    print(changes, as_json);
    return changes;
}

Outcome<json> execute_now(Machine& machine, const std::string& command, const json& arguments,
                          std::chrono::milliseconds limit) {
    std::optional<Outcome<json>> result;
    machine.execute(command, arguments, limit,
                    [&result](const Outcome<json>& outcome) { result = outcome; });
    run_until([&result] { return result.has_value(); });
    return *result;
}

} // namespace tiermemctl
