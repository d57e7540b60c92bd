// SPDX-License-Identifier: GPL-2.0-or-later
// balance.cpp - tiermemctl balance: keeps sharing the host's fast memory out
#include <fmt/format.h>
#include <glib-unix.h>

#include <algorithm>
#include <csignal>

#include "base/glib.h"
#include "base/input_lines.h"
#include "base/table.h"
#include "commands.h"
#include "controller/controller.h"
#include "report.h"

namespace tiermemctl {
namespace {

using std::chrono::milliseconds;

// Between the steps of one interval, while some wait for others to shrink.
constexpr milliseconds SHORTEST_PAUSE{100}, LONGEST_PAUSE{1000};
constexpr int PAUSES_PER_INTERVAL = 5;

struct BalanceOptions {
    Reach reach;
    std::vector<std::string> machines;
    std::optional<uint64_t> total;
    std::optional<std::string> policy;
    std::optional<milliseconds> interval;
    std::string policy_file, state_file;
    std::optional<uint32_t> intervals;
    bool dry_run = false, on_input = false, json = false;
};

// The policy file, with what the command line says instead.
Policy effective_policy(const BalanceOptions& options) {
    Policy policy = options.policy_file.empty() ? Policy{} : read_policy(options.policy_file);
    if (options.policy)
        policy.options.policy = parse_policy(*options.policy);
    policy.interval = options.interval.value_or(policy.interval);
    policy.fast_total = options.total ? options.total : policy.fast_total;
    if (!policy.fast_total)
        throw BadInput("how much fast memory there is to share is not given: --fast-total, or "
                       "fast-total in the policy file");
    const bool none_in_file = policy.places.sockets.empty() && policy.places.hosts.empty();
    if (none_in_file || !options.reach.sockets.empty() || !options.reach.hosts.empty())
        policy.places = options.reach.places();
    return policy;
}

std::string describe(const Act& act) {
    std::string text =
        act.quota == act.requested
            ? format_short(act.requested)
            : fmt::format("{} -> {}", format_short(act.requested), format_short(act.quota));
    if (act.target != act.quota)
        text += fmt::format(" (to be {})", format_short(act.target));
    return act.note.empty() ? text : fmt::format("{}; {}", text, act.note);
}

class Balance {
public:
    explicit Balance(const BalanceOptions& options)
        : options_(options), policy_(effective_policy(options)),
          controller_(policy_, {*policy_.fast_total, options.reach.limit(), options.dry_run,
                                options.state_file, options.machines}) {}

    ExitStatus run();

private:
    void begin();
    void asked();
    void step();
    void stepped(const Step& step);
    void print(const Step& step);
    void say(const std::string& key, const std::string& text);
    void reload();
    [[nodiscard]] milliseconds pause() const;

    BalanceOptions options_;
    Policy policy_;
    Controller controller_;
    Timer next_;
    std::optional<InputLines> input_;
    uint32_t asked_ = 0;        // lines that no step was done for yet
    gint64 interval_began_ = 0; // microseconds
    uint32_t intervals_ = 0;
    bool stepping_ = false, over_ = false, first_ = true;
    ExitStatus status_ = EXIT_DONE;
    std::map<std::string, std::string>
        said_; // the last line about each thing: what stays so is said once
};

ExitStatus Balance::run() {
    auto again = [](gpointer self) -> gboolean {
        static_cast<Balance*>(self)->reload();
        return G_SOURCE_CONTINUE;
    };
    on_end_signals(over_);
    g_unix_signal_add(SIGHUP, again, this);
    if (options_.on_input)
        input_.emplace([this] { asked_++, asked(); }, [this] { input_.reset(), asked(); });
    else
        begin();
    run_until([this] { return over_ && !stepping_; });
    return status_;
}

void Balance::begin() {
    const gint64 now = g_get_monotonic_time();
    if (now - interval_began_ >= policy_.interval.count() * 1000 || interval_began_ == 0) {
        if (options_.intervals && intervals_ == *options_.intervals) {
            over_ = true;
            return;
        }
        interval_began_ = now;
        intervals_++;
    }
    step();
}

void Balance::step() {
    stepping_ = true;
    controller_.step([this](const Step& step) {
        stepping_ = false;
        stepped(step);
    });
}

// A step for each line, one after the other; what has been asked for is done before the end.
void Balance::asked() {
    if (stepping_)
        return;
    over_ = over_ || (asked_ == 0 && !input_);
    if (asked_ == 0 || over_)
        return;
    asked_--;
    step();
}

void Balance::stepped(const Step& step) {
    if (options_.json)
        print_json_line(Controller::as_json(step));
    else
        print(step);
    // What is refused at once will not get better by itself; later it may, as machines come and go.
    if (first_ && !step.refusal.empty()) {
        if (options_.json)
            complain(step.refusal);
        over_ = true;
        status_ = EXIT_PARTLY;
        return;
    }
    first_ = false;
    if (options_.dry_run) {
        over_ = true;
        return;
    }
    if (options_.on_input)
        return on_main_loop([this] { asked(); });
    const milliseconds used((g_get_monotonic_time() - interval_began_) / 1000);
    const milliseconds left = std::max(policy_.interval - used, milliseconds(0));
    next_.once(step.waits ? std::min(pause(), left) : left, [this] { begin(); });
}

milliseconds Balance::pause() const {
    return std::clamp(policy_.interval / PAUSES_PER_INTERVAL, SHORTEST_PAUSE, LONGEST_PAUSE);
}

// On stdout what changes, on stderr what is wrong; each only when it is new.
void Balance::print(const Step& step) {
    for (const std::string& name : step.arrived)
        fmt::print("{}: has come\n", printable(name));
    for (const std::string& name : step.gone)
        fmt::print("{}: has gone; its memory is shared out\n", printable(name));
    for (const Act& act : step.acts) {
        const std::string text = fmt::format("{}: {}", act.machine, describe(act));
        if (said_[act.machine] != text || options_.dry_run)
            fmt::print("{}\n", printable(text));
        said_[act.machine] = text;
        say(act.machine + " error", act.error);
    }
    std::string problems;
    for (const std::string& problem : step.problems)
        say(problem, problem);
    std::erase_if(said_, [&](const auto& entry) {
        return entry.first == entry.second && std::find(step.problems.begin(), step.problems.end(),
                                                        entry.first) == step.problems.end();
    });
    say("refusal", step.refusal);
    say("excess", step.excess == 0
                      ? ""
                      : fmt::format("{} more of fast memory may be in use than the total of {}",
                                    format_short(step.excess), format_size(step.total)));
    std::fflush(stdout);
}

void Balance::say(const std::string& key, const std::string& text) {
    if (!text.empty() && said_[key] != text)
        complain(text);
    said_[key] = text;
}

void Balance::reload() {
    if (options_.policy_file.empty())
        return complain("SIGHUP: there is no policy file to read again");
    try {
        policy_ = effective_policy(options_);
        controller_.set_policy(policy_, *policy_.fast_total);
        complain(fmt::format("{} is in force", options_.policy_file));
    } catch (const Failure& failure) {
        complain(fmt::format("{}; the policy stays as it was", failure.what()));
    }
}

} // namespace

void add_balance(CLI::App& app, Run& run) {
    auto options = std::make_shared<BalanceOptions>();
    CLI::App* command =
        app.add_subcommand("balance", "keep sharing the host's fast memory out between machines");
    command->add_option("MACHINE", options->machines,
                        "names or patterns of machines (default: all)");
    add_size(*command, "--fast-total", options->total,
             "fast memory for all these machines together");
    command->add_option("--policy", options->policy, "how it is shared (default: gain)")
        ->type_name("gain|proportional|static")
        ->check(CLI::IsMember({"gain", "proportional", "static"}).description(""));
    add_duration(*command, "--interval", options->interval, "time between decisions (default: 5s)");
    command
        ->add_option("--policy-file", options->policy_file,
                     "TOML file with all of this and terms for machines; options "
                     "on the command line come before it")
        ->type_name("FILE");
    command
        ->add_option("--state", options->state_file,
                     "file that keeps what a restarted controller has to know")
        ->type_name("FILE");
    command
        ->add_option("--intervals", options->intervals,
                     "end after so many intervals (default: never)")
        ->type_name("NUMBER");
    command->add_flag("--dry-run", options->dry_run,
                      "look once, say what would be changed, and change nothing");
    command
        ->add_flag("--on-input", options->on_input,
                   "take a step for each line on standard input instead of by the clock, and end "
                   "with it")
        ->excludes("--interval", "--intervals", "--dry-run");
    add_json(*command, options->json, "a line of JSON for each step");
    options->reach.add_to(*command);
    command->footer(
        "Policies: gain gives the next byte to the machine that saves most by it, by its hotness "
        "curve and weight; "
        "proportional shares by weight, but gives nobody more than it has a use for; static shares "
        "by weight "
        "alone. Guaranteed minima come first; guaranteed machines before burstable ones, and those "
        "before "
        "best-effort ones.\n\n"
        "A machine grows only when what it gets is free: when others have been seen to have given "
        "it up. A machine "
        "that does not answer keeps what it might use, until its process has ended. SIGHUP reads "
        "the policy file "
        "again; SIGTERM ends after the step that runs. Quotas stay as they are then.\n\n"
        "Examples:\n"
        "  tiermemctl balance --fast-total 64G --socket '/run/vm/*.qmp' --dry-run\n"
        "  tiermemctl balance --policy-file /etc/tiermemctl/policy.toml --state "
        "/run/tiermemctl/state.json\n");
    command->callback([options, &run] { run = [options] { return Balance(*options).run(); }; });
}

} // namespace tiermemctl
