// SPDX-License-Identifier: GPL-2.0-or-later
// list.cpp - tiermemctl list: one line a machine
#include <fmt/format.h>

#include "base/table.h"
#include "commands.h"
#include "report.h"

namespace tiermemctl {
namespace {

struct ListOptions {
    Reach reach;
    std::vector<std::string> machines;
    bool json = false;
    bool names = false;
};

std::string quota_cell(const Device& device, uint32_t number, uint64_t Tier::*member) {
    const Tier* tier = device.tier(number);
    return tier != nullptr ? format_short(tier->*member) : "-";
}

std::string resident_cell(const Tier& tier) {
    return tier.resident ? format_short(*tier.resident) : "?";
}

void print_table(const std::vector<MachinePtr>& machines,
                 const std::vector<Outcome<Device>>& devices) {
    Table table({"MACHINE", "DRIVER", "CLASS", ">WEIGHT", ">MIN", ">FAST", ">ACTUAL", ">RESIDENT",
                 ">SLOW", ">ACTUAL"});
    for (size_t i = 0; i < machines.size(); i++) {
        if (!devices[i])
            continue;
        const Device& device = devices[i].value();
        table.add({printable(machines[i]->name()), device.driver_ready ? "ready" : "none",
                   printable(device.qos.service_class), fmt::format("{}", device.qos.weight),
                   format_short(device.qos.fast_min), quota_cell(device, 0, &Tier::requested),
                   quota_cell(device, 0, &Tier::actual), resident_cell(device.fast()),
                   quota_cell(device, 1, &Tier::requested), quota_cell(device, 1, &Tier::actual)});
    }
    if (!table.empty())
        fmt::print("{}", table.text());
}

ExitStatus list(const ListOptions& options) {
    Finder finder(options.reach.places());
    const auto machines = find_machines(finder, options.machines, options.reach.limit());
    if (options.names) {
        for (const MachinePtr& machine : machines)
            fmt::print("{}\n", printable(machine->name()));
        return EXIT_DONE;
    }
    const auto devices = query_all(machines, options.reach.limit());
    if (options.json)
        print_json(devices_as_json(machines, devices));
    else
        print_table(machines, devices);
    return complain_of(devices);
}

} // namespace

void add_list(CLI::App& app, Run& run) {
    auto options = std::make_shared<ListOptions>();
    CLI::App* command =
        app.add_subcommand("list", "show the machines and their quotas, one line each");
    command
        ->add_option("MACHINE", options->machines, "names or patterns of machines (default: all)")
        ->type_name("MACHINE");
    command->add_flag("--names", options->names, "only the names, without asking the machines");
    add_json(*command, options->json, "a JSON array with what query-tiermem says of each machine");
    options->reach.add_to(*command);
    command->footer("FAST and SLOW are what a guest may use of a tier, ACTUAL what it has not "
                    "surrendered, RESIDENT what the "
                    "host has populated; MIN is the guaranteed minimum of fast memory.\n\n"
                    "Examples:\n"
                    "  tiermemctl list --socket '/run/vm/*.qmp'\n"
                    "  tiermemctl list --connect qemu:///system --json\n");
    command->callback([options, &run] { run = [options] { return list(*options); }; });
}

} // namespace tiermemctl
