// SPDX-License-Identifier: GPL-2.0-or-later
// watch.cpp - tiermemctl watch: the machines' events as they come
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "base/table.h"
#include "commands.h"
#include "report.h"

namespace tiermemctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds SCAN_INTERVAL{2000};
constexpr const char* PREFIX = "TIERMEM_"; // of the events of our device

struct WatchOptions {
    Reach reach;
    std::vector<std::string> machines;
    std::optional<milliseconds> duration;
    std::optional<uint32_t> count;
    bool all = false, json = false;
};

std::string time_of(const json& event) {
    const auto stamp = event.find("timestamp");
    const json& when = stamp != event.end() && stamp->is_object() ? *stamp : json::object();
    const auto seconds = when.value("seconds", json(0)),
               micros = when.value("microseconds", json(0));
    const auto since_epoch = seconds.is_number_integer() ? seconds.get<int64_t>() : 0;
    const auto whole = static_cast<std::time_t>(since_epoch);
    std::tm local{};
    localtime_r(&whole, &local);
    return fmt::format("{:%H:%M:%S}.{:03}", local,
                       micros.is_number_integer() ? micros.get<int64_t>() / 1000 % 1000 : 0);
}

// "tier 0, requested 256M, actual 512M": sizes as sizes, the rest as it is.
std::string describe(const json& data) {
    static const std::set<std::string> sizes = {"requested", "actual", "resident"};
    std::string text;
    for (const auto& [key, value] : data.items()) {
        if (key == "id")
            continue;
        const bool is_size = sizes.contains(key) && value.is_number_unsigned();
        const std::string shown = is_size ? format_size(value.get<uint64_t>())
                                  : value.is_string()
                                      ? value.get<std::string>()
                                      : value.dump(-1, ' ', false, json::error_handler_t::replace);
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key, shown);
    }
    return text;
}

// For an event that says that a guest has, or uses, more than it may: by how much.
std::string beyond_quota(const std::string& event, const json& data) {
    static const std::set<std::string> such = {"TIERMEM_QUOTA_MISSED", "TIERMEM_QUOTA_EXCEEDED"};
    auto bytes = [&data](const char* name) {
        const json value = data.value(name, json());
        return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
    };
    const uint64_t may = bytes("requested"), most = std::max(bytes("actual"), bytes("resident"));
    return such.contains(event) && most > may
               ? fmt::format("; {} beyond its quota", format_size(most - may))
               : "";
}

class Watch {
public:
    explicit Watch(const WatchOptions& options)
        : options_(options), finder_(options.reach.places()) {}

    ExitStatus run();

private:
    void scanned();
    void start(const MachinePtr& machine);
    void event(const Machine& machine, const json& event);
    void notice(const std::string& machine, const char* what, const std::string& why);
    void print(const std::string& machine, const json& message, const std::string& text) const;

    WatchOptions options_;
    Finder finder_;
    std::map<std::string, MachinePtr> watched_; // by where they are
    std::set<std::string> seen_, complained_;
    Timer scan_, end_;
    uint32_t events_ = 0;
    bool over_ = false;
};

ExitStatus Watch::run() {
    on_end_signals(over_);
    if (options_.duration)
        end_.once(*options_.duration, [this] { over_ = true; });
    finder_.scan(options_.reach.limit(), [this] { scanned(); });
    run_until([this] { return over_; });
    return EXIT_DONE;
}

void Watch::scanned() {
    for (const Failure& problem : finder_.problems())
        if (complained_.insert(problem.what()).second)
            complain(problem.what());
    std::vector<MachinePtr> machines;
    try {
        machines = finder_.chosen(options_.machines);
    } catch (const BadInput& none) {
        if (complained_.insert(none.what()).second)
            complain(none.what());
    }
    std::set<std::string> found;
    for (const MachinePtr& machine : machines) {
        found.insert(machine->where());
        if (!watched_.contains(machine->where()))
            start(machine);
    }
    std::erase_if(seen_, [&](const std::string& where) { return !found.contains(where); });
    scan_.once(SCAN_INTERVAL,
               [this] { finder_.scan(options_.reach.limit(), [this] { scanned(); }); });
}

void Watch::start(const MachinePtr& machine) {
    const std::string where = machine->where();
    watched_[where] = machine;
    auto ended = [this, where, name = machine->name()](const Failure& why) {
        // Said once while it stays so; tried again with each scan.
        if (seen_.contains(where) || complained_.insert(why.what()).second)
            notice(name, "gone", why.what());
        seen_.erase(where);
        on_main_loop([this, where] { watched_.erase(where); });
    };
    machine->watch(
        [this, machine = machine.get()](const json& message) { event(*machine, message); }, ended,
        options_.reach.limit());
    // A machine that answers has come; also makes sure that there is a device to wait for.
    query(*machine, options_.reach.limit(),
          [this, where, name = machine->name()](const Outcome<Device>& device) {
              if (device && seen_.insert(where).second)
                  notice(name, "watched", "");
              else if (!device && watched_.contains(where) &&
                       complained_.insert(device.failure().what()).second)
                  complain(device.failure().what());
          });
}

void Watch::event(const Machine& machine, const json& event) {
    const json name = event.value("event", json());
    if (over_ || !name.is_string() ||
        (!options_.all && !name.get<std::string>().starts_with(PREFIX)))
        return;
    json message = event;
    message["machine"] = machine.name();
    const json data = event.value("data", json::object());
    const std::string text =
        data.is_object() ? describe(data) + beyond_quota(name.get<std::string>(), data) : "";
    print(machine.name(), message, fmt::format("{}  {}", name.get<std::string>(), text));
    events_++;
    over_ = options_.count && events_ >= *options_.count;
}

void Watch::notice(const std::string& machine, const char* what, const std::string& why) {
    const gint64 now = g_get_real_time();
    json message = {
        {"machine", machine},
        {"notice", what},
        {"timestamp", {{"seconds", now / G_USEC_PER_SEC}, {"microseconds", now % G_USEC_PER_SEC}}}};
    if (!why.empty())
        message["reason"] = why;
    print(machine, message,
          why.empty() ? fmt::format("({})", what) : fmt::format("({}: {})", what, why));
}

void Watch::print(const std::string& machine, const json& message, const std::string& text) const {
    if (options_.json)
        return print_json_line(message);
    fmt::print("{}  {}  {}\n", time_of(message), printable(machine), printable(text));
    std::fflush(stdout);
}

} // namespace

void add_watch(CLI::App& app, Run& run) {
    auto options = std::make_shared<WatchOptions>();
    CLI::App* command = app.add_subcommand("watch", "print the machines' events as they come");
    command->add_option("MACHINE", options->machines,
                        "names or patterns of machines (default: all)");
    command->add_flag("--all", options->all,
                      "all events of these machines, not only those of tiered memory");
    command->add_option("--count", options->count, "end after so many events")->type_name("NUMBER");
    add_duration(*command, "--for", options->duration, "end after so long");
    add_json(*command, options->json,
             "a line of JSON for each event: as QMP has it, with the machine's name");
    options->reach.add_to(*command);
    command->footer("Machines that come later are watched too. QEMU serves one client of a monitor "
                    "at a time: while this command "
                    "runs, no other can use the same socket, so give the machines a second one.\n\n"
                    "Examples:\n"
                    "  tiermemctl watch --socket '/run/vm/*/events.qmp'\n"
                    "  tiermemctl watch web1 --count 1 --for 30s --json\n");
    command->callback([options, &run] { run = [options] { return Watch(*options).run(); }; });
}

} // namespace tiermemctl
