// SPDX-License-Identifier: GPL-2.0-or-later
// show.cpp - tiermemctl show: all that is known of machines
#include <fmt/format.h>

#include "base/table.h"
#include "commands.h"
#include "machines/curve.h"
#include "report.h"

namespace tiermemctl {
namespace {

struct ShowOptions {
    Reach reach;
    std::vector<std::string> machines;
    bool json = false;
};

constexpr size_t BAR = 30; // characters for the whole of the accesses

std::string exact(uint64_t bytes) {
    return format_size(bytes);
}

void print_tiers(const Device& device) {
    Table table({"  TIER", ">NODE", ">QUOTA", ">ACTUAL", ">RESIDENT", ">SIZE", ">BLOCK"});
    for (const Tier& tier : device.tiers)
        table.add({fmt::format("  {} {}", tier.number, printable(tier.name)),
                   fmt::format("{}", tier.node), exact(tier.requested), exact(tier.actual),
                   tier.resident ? exact(*tier.resident) : "?", exact(tier.size),
                   exact(tier.block_size)});
    fmt::print("{}", table.text());
}

void print_qos(const Qos& qos) {
    fmt::print("  class                {}\n", printable(qos.service_class));
    fmt::print("  weight               {}\n", qos.weight);
    fmt::print("  fast-min             {}\n", exact(qos.fast_min));
    fmt::print("  migration-bandwidth  {}\n",
               qos.migration_bandwidth == 0 ? "no limit" : exact(qos.migration_bandwidth) + "/s");
    fmt::print("  cpu-budget           {} permille of a virtual CPU\n", qos.cpu_budget);
    fmt::print("  shrink-deadline      {}\n",
               qos.shrink_deadline_ms == 0 ? "none" : fmt::format("{} ms", qos.shrink_deadline_ms));
}

// Values of a statistic, joined where it has several (causes, stages).
std::string values_of(const Statistics& stats, const std::string& name, int tier) {
    std::string text;
    for (const auto& [index, value] : stats.series(name, tier))
        text += fmt::format("{}{}", text.empty() ? "" : " ", value);
    return text.empty() ? "-" : text;
}

std::string size_of(const Statistics& stats, const std::string& name, int tier) {
    const auto value = stats.get(name, tier);
    return value ? format_short(*value) : "-";
}

void print_statistics(const Device& device) {
    const Statistics& stats = device.stats;
    if (!stats.age_ms) {
        fmt::print("  none has come yet\n");
        return;
    }
    fmt::print("  {} ms old\n", *stats.age_ms);
    for (const std::string& doubt : stats.doubts)
        fmt::print("  the device does not believe them: {}\n", printable(doubt));
    Table table({"  TIER", ">TOTAL", ">FREE", ">RECLAIMABLE", ">PROMOTED", ">DEMOTED", ">SAMPLES"});
    for (const Tier& tier : device.tiers) {
        const int number = static_cast<int>(tier.number);
        table.add({fmt::format("  {} {}", number, printable(tier.name)),
                   size_of(stats, "total", number), size_of(stats, "free", number),
                   size_of(stats, "reclaimable", number), size_of(stats, "promoted", number),
                   size_of(stats, "demoted", number), values_of(stats, "samples", number)});
    }
    fmt::print("{}", table.text());
    fmt::print("  exchanges that failed, by cause  {}\n",
               values_of(stats, "exchange-failed", Device::FAST));
    fmt::print("  CPU time by stage in ns          {}\n",
               values_of(stats, "cpu-time", Statistics::NO_TIER));
}

void print_curve(const Device& device) {
    const Curve curve = curve_of(device.stats);
    if (curve.points.empty()) {
        fmt::print("  none{}\n", curve.problem.empty() ? "" : ": " + curve.problem);
        return;
    }
    const double all = static_cast<double>(std::max<uint64_t>(curve.points.back().rate, 1));
    Table table({">  HOTTEST", ">ACCESSES/s", ">SHARE", ""});
    for (const auto& [bytes, rate] : curve.points) {
        const double share = static_cast<double>(rate) / all;
        table.add({format_short(bytes), fmt::format("{}", rate),
                   fmt::format("{:.1f}%", 100 * share),
                   std::string(static_cast<size_t>(share * BAR), '#')});
    }
    fmt::print("{}", table.text());
}

void print_device(const Machine& machine, const Device& device) {
    fmt::print("{}\n  {}, device {}\n  driver {}, discard {}\n", printable(machine.name()),
               printable(machine.where()), printable(device.id),
               device.driver_ready ? "ready" : "not ready",
               device.discard_possible ? "possible"
                                       : "not possible now (VFIO or the like pins the memory)");
    fmt::print("\nTiers\n");
    print_tiers(device);
    fmt::print("\nQuality of service\n");
    print_qos(device.qos);
    fmt::print("\nStatistics, as the guest claims them\n");
    print_statistics(device);
    fmt::print("\nHotness curve: accesses within the hottest bytes, as the guest claims\n");
    print_curve(device);
}

ExitStatus show(const ShowOptions& options) {
    Finder finder(options.reach.places());
    const auto machines = find_machines(finder, options.machines, options.reach.limit());
    const auto devices = query_all(machines, options.reach.limit());
    if (options.json)
        print_json(devices_as_json(machines, devices));
    bool first = true;
    for (size_t i = 0; i < machines.size() && !options.json; i++) {
        if (!devices[i])
            continue;
        fmt::print("{}", first ? "" : "\n");
        first = false;
        print_device(*machines[i], devices[i].value());
    }
    return complain_of(devices);
}

} // namespace

void add_show(CLI::App& app, Run& run) {
    auto options = std::make_shared<ShowOptions>();
    CLI::App* command = app.add_subcommand("show", "show all that is known of machines");
    command
        ->add_option("MACHINE", options->machines, "names or patterns of machines (default: all)")
        ->type_name("MACHINE");
    add_json(*command, options->json, "a JSON array with what query-tiermem says of each machine");
    options->reach.add_to(*command);
    command->footer("Sizes are exact, in powers of 1024. Statistics and the hotness curve are the "
                    "guest's own claims.\n\n"
                    "Examples:\n"
                    "  tiermemctl show web1\n"
                    "  tiermemctl show 'web*' --json --connect qemu:///system\n");
    command->callback([options, &run] { run = [options] { return show(*options); }; });
}

} // namespace tiermemctl
