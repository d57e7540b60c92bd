// SPDX-License-Identifier: GPL-2.0-or-later
// set_qos.cpp - tiermemctl set-qos: which service a machine gets
#include <fmt/format.h>

#include "change.h"
#include "commands.h"

namespace tiermemctl {
namespace {

struct QosOptions {
    Reach reach;
    std::vector<std::string> machines;
    std::optional<std::string> service_class;
    std::optional<uint64_t> fast_min, bandwidth;
    std::optional<uint32_t> weight, cpu_budget;
    bool json = false;
};

constexpr uint32_t MAX_WEIGHT = 10000, MAX_CPU_BUDGET = 1000; // as tiermem-set-qos has them

// Members of tiermem-set-qos with the values that are asked for.
json wanted(const QosOptions& options) {
    json values = json::object();
    if (options.service_class)
        values["class"] = *options.service_class;
    if (options.weight)
        values["weight"] = *options.weight;
    if (options.fast_min)
        values["fast-min"] = *options.fast_min;
    if (options.bandwidth)
        values["migration-bandwidth"] = *options.bandwidth;
    if (options.cpu_budget)
        values["cpu-budget"] = *options.cpu_budget;
    if (values.empty())
        throw BadInput("nothing to change is given: --class, --weight, --fast-min, "
                       "--migration-bandwidth or --cpu-budget");
    return values;
}

Change change_of(const MachinePtr& machine, const Device& device, const json& values) {
    const Tier& fast = device.fast();
    if (values.contains("fast-min") && values["fast-min"].get<uint64_t>() > fast.requested)
        throw Failure(fmt::format("{}: a guaranteed minimum of {} is more than its quota of fast "
                                  "memory ({}); raise that first "
                                  "with set-quota --fast; nothing was changed",
                                  machine->name(), format_size(values["fast-min"].get<uint64_t>()),
                                  format_size(fast.requested)));
    json to = {{"id", device.id}}, from = to, report = {{"machine", machine->name()}};
    std::string summary;
    for (const auto& [name, value] : values.items()) {
        const json& before = device.raw["qos"][name];
        to[name] = value;
        from[name] = before;
        report[name] = {{"from", before}, {"to", value}};
        summary += fmt::format("{}{} {} -> {}", summary.empty() ? "" : ", ", name, before.dump(),
                               value.dump());
    }
    return {machine, "tiermem-set-qos", to, from, summary, report};
}

ExitStatus set_qos(const QosOptions& options) {
    const json values = wanted(options);
    change_machines(options.reach, options.machines, options.json,
                    [&values](const MachinePtr& machine, const Device& device) {
                        return change_of(machine, device, values);
                    });
    return EXIT_DONE;
}

} // namespace

void add_set_qos(CLI::App& app, Run& run) {
    auto options = std::make_shared<QosOptions>();
    CLI::App* command = app.add_subcommand("set-qos", "set which service machines get");
    command->add_option("MACHINE", options->machines, "names or patterns of machines")
        ->type_name("MACHINE")
        ->required();
    command
        ->add_option("--class", options->service_class,
                     "service class; those before are served before those after")
        ->type_name("guaranteed|burstable|best-effort")
        ->check(CLI::IsMember({"guaranteed", "burstable", "best-effort"}).description(""));
    command->add_option("--weight", options->weight, "share relative to other machines, 1 to 10000")
        ->type_name("NUMBER")
        ->check(CLI::Range(1U, MAX_WEIGHT).description(""));
    add_size(*command, "--fast-min", options->fast_min, "guaranteed minimum of fast memory");
    add_parsed(*command, "--migration-bandwidth", options->bandwidth, parse_rate, "SIZE",
               "most bytes per second that the guest moves between tiers; 0: no limit");
    command
        ->add_option("--cpu-budget", options->cpu_budget,
                     "permille of one virtual CPU spent on tiering, 0 to 1000")
        ->type_name("NUMBER")
        ->check(CLI::Range(0U, MAX_CPU_BUDGET).description(""));
    add_json(*command, options->json, "what was changed, as a JSON array");
    options->reach.add_to(*command);
    command->footer("What is not given stays. All machines are checked before any is changed; if "
                    "one refuses nevertheless, the "
                    "others are put back.\n\n"
                    "Examples:\n"
                    "  tiermemctl set-qos web1 --class guaranteed --fast-min 256M\n"
                    "  tiermemctl set-qos 'batch*' --class best-effort --weight 10 "
                    "--migration-bandwidth 64M/s\n");
    command->callback([options, &run] { run = [options] { return set_qos(*options); }; });
}

} // namespace tiermemctl
