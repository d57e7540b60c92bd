// SPDX-License-Identifier: GPL-2.0-or-later
// set_quota.cpp - tiermemctl set-quota: how much of its tiers a guest may use
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/glib.h"
#include "change.h"
#include "commands.h"

namespace tiermemctl {
namespace {

using std::chrono::milliseconds;
using Quotas = std::map<std::string, uint64_t>; // by the tier's name or number, bytes

constexpr milliseconds POLL{200}; // of a machine that is waited for

struct QuotaOptions {
    Reach reach;
    std::vector<std::string> machines, tiers;
    std::optional<uint64_t> fast, slow;
    std::optional<milliseconds> deadline, wait;
    bool json = false;
};

Quotas wanted(const QuotaOptions& options) {
    Quotas quotas;
    auto add = [&quotas](const std::string& tier, uint64_t size) {
        if (!quotas.emplace(tier, size).second)
            throw BadInput(fmt::format("tier {} is given two quotas", tier));
    };
    if (options.fast)
        add("fast", *options.fast);
    if (options.slow)
        add("slow", *options.slow);
    for (const std::string& text : options.tiers) {
        const size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0)
            throw BadInput(
                fmt::format("'{}' is no quota of a tier: write TIER=SIZE, as in fast=512M", text));
        add(text.substr(0, equals), parse_size(std::string_view(text).substr(equals + 1)));
    }
    if (quotas.empty())
        throw BadInput("no quota is given: name one with --fast, --slow or --tier");
    return quotas;
}

const Tier& tier_called(const Machine& machine, const Device& device, const std::string& name) {
    std::string names;
    for (const Tier& tier : device.tiers) {
        if (tier.name == name || std::to_string(tier.number) == name)
            return tier;
        names += fmt::format("{}{}", names.empty() ? "" : ", ", tier.name);
    }
    throw Failure(fmt::format("{}: has no tier '{}' (its tiers are {}); nothing was changed",
                              machine.name(), name, names));
}

void check_quota(const Machine& machine, const Device& device, const Tier& tier, uint64_t size) {
    auto refuse = [&](const std::string& why) {
        throw Failure(fmt::format("{}: {} of tier {} {}; nothing was changed", machine.name(),
                                  format_size(size), tier.name, why));
    };
    if (size > tier.size)
        refuse(fmt::format("is more than the tier has ({})", format_size(tier.size)));
    if (size % tier.block_size != 0)
        refuse(
            fmt::format("is not a multiple of its block size ({})", format_size(tier.block_size)));
    if (tier.number == Device::FAST && size < device.qos.fast_min)
        refuse(fmt::format("is less than the machine's guaranteed minimum ({}); lower that first "
                           "with set-qos --fast-min",
                           format_size(device.qos.fast_min)));
}

Change change_of(const MachinePtr& machine, const Device& device, const Quotas& quotas,
                 std::optional<milliseconds> deadline) {
    json to = json::array(), from = json::array(), report = json::array();
    std::string summary;
    std::map<uint32_t, bool> named;
    for (const auto& [name, size] : quotas) {
        const Tier& tier = tier_called(*machine, device, name);
        if (!named.emplace(tier.number, true).second)
            throw BadInput(fmt::format("tier {} is given two quotas", tier.name));
        check_quota(*machine, device, tier, size);
        to.push_back({{"tier", tier.number}, {"size", size}});
        from.push_back({{"tier", tier.number}, {"size", tier.requested}});
        report.push_back(
            {{"tier", tier.number}, {"name", tier.name}, {"from", tier.requested}, {"to", size}});
        summary += fmt::format("{}{} {} -> {}", summary.empty() ? "" : ", ", tier.name,
                               format_size(tier.requested), format_size(size));
    }
    Change change{machine,
                  "tiermem-set-quota",
                  {{"id", device.id}, {"tiers", to}},
                  {{"id", device.id}, {"tiers", from}},
                  summary,
                  {{"machine", machine->name()}, {"tiers", report}}};
    if (deadline)
        change.arguments["deadline-ms"] = deadline->count();
    if (!device.driver_ready)
        change.summary += " (the guest has no driver ready; it follows once it has)";
    return change;
}

// Tiers of a device that are not where they were to go: "fast has 600M instead of 512M".
std::string still_missing(const Device& device, const json& tiers) {
    std::string text;
    for (const json& wanted : tiers) {
        const Tier* tier = device.tier(wanted["tier"].get<uint32_t>());
        if (tier != nullptr && tier->actual != wanted["size"].get<uint64_t>())
            text +=
                fmt::format("{}{} has {} instead of {}", text.empty() ? "" : ", ", tier->name,
                            format_size(tier->actual), format_size(wanted["size"].get<uint64_t>()));
    }
    return text;
}

// Waits until the guests have reached their quotas.
ExitStatus wait_for(const std::vector<Change>& changes, milliseconds most, milliseconds limit) {
    const gint64 end = g_get_monotonic_time() + most.count() * 1000;
    for (;;) {
        ExitStatus status = EXIT_DONE;
        for (const Change& change : changes) {
            const auto device = query_all({change.machine}, limit).front();
            const std::string missing =
                device ? still_missing(device.value(), change.arguments["tiers"])
                       : device.failure().what();
            if (missing.empty())
                continue;
            status = EXIT_PARTLY;
            if (g_get_monotonic_time() >= end)
                complain(device ? fmt::format("{}: not reached within {} ms: {}",
                                              change.machine->name(), most.count(), missing)
                                : missing);
        }
        if (status == EXIT_DONE || g_get_monotonic_time() >= end)
            return status;
        g_usleep(static_cast<gulong>(POLL.count()) * 1000);
    }
}

ExitStatus set_quota(const QuotaOptions& options) {
    const Quotas quotas = wanted(options);
    const auto changes =
        change_machines(options.reach, options.machines, options.json,
                        [&](const MachinePtr& machine, const Device& device) {
                            return change_of(machine, device, quotas, options.deadline);
                        });
    return options.wait ? wait_for(changes, *options.wait, options.reach.limit()) : EXIT_DONE;
}

} // namespace

void add_set_quota(CLI::App& app, Run& run) {
    auto options = std::make_shared<QuotaOptions>();
    CLI::App* command =
        app.add_subcommand("set-quota", "set how much of its tiers a guest may use");
    command->add_option("MACHINE", options->machines, "names or patterns of machines")
        ->type_name("MACHINE")
        ->required();
    add_size(*command, "--fast", options->fast, "quota of the fast tier");
    add_size(*command, "--slow", options->slow, "quota of the slow tier");
    command
        ->add_option("--tier", options->tiers, "quota of a tier by name or number; may be repeated")
        ->type_name("TIER=SIZE")
        ->expected(1)
        ->take_all();
    add_duration(*command, "--deadline", options->deadline,
                 "guest time after which TIERMEM_QUOTA_MISSED is sent if the guest still has more");
    add_duration(*command, "--wait", options->wait,
                 "wait until the guest has reached its quotas, at most so long");
    add_json(*command, options->json, "what was changed, as a JSON array");
    options->reach.add_to(*command);
    command->footer("Quotas are multiples of the tier's block size, at most its size, and of fast "
                    "memory at least the "
                    "machine's guaranteed minimum. All of this is checked for all machines before "
                    "any is changed; if one "
                    "refuses nevertheless, the others are put back.\n\n"
                    "Examples:\n"
                    "  tiermemctl set-quota web1 --fast 512M --deadline 5s\n"
                    "  tiermemctl set-quota 'web*' --fast 1G --slow 4G --wait 30s\n");
    command->callback([options, &run] { run = [options] { return set_quota(*options); }; });
}

} // namespace tiermemctl
