// SPDX-License-Identifier: GPL-2.0-or-later
// controller.cpp - shares a host's fast memory out between its machines, step by step
#include "controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/glib.h"
#include "base/quantity.h"
#include "state_file.h"

namespace tiermemctl {
namespace {

namespace balance = tiermem::balance;

uint64_t now_ms() {
    return static_cast<uint64_t>(g_get_monotonic_time()) / 1000;
}

uint64_t less(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

bool about_one_machine(balance::Error error) {
    return error == balance::Error::size_range || error == balance::Error::weight_range ||
           error == balance::Error::block_size || error == balance::Error::cap_above_size ||
           error == balance::Error::minimum_above_cap;
}

std::string refusal(const balance::Result& result, const std::vector<Member*>& known,
                    uint64_t total) {
    if (result.error == balance::Error::total_below_minima)
        return fmt::format("fast-total ({}) is smaller than the guaranteed minima of all machines "
                           "({}): raise it, or lower "
                           "a fast-min; nothing was changed",
                           format_size(total), format_size(result.needed));
    const bool one = about_one_machine(result.error) && result.machine < known.size();
    return fmt::format("{}{}; nothing was changed",
                       one ? known[result.machine]->machine->name() + ": " : "",
                       balance::text(result.error));
}

// For people: the function knows only that a machine cannot act, not why.
std::string note_for(const balance::Decision& decision, const Member& member) {
    const bool no_driver = decision.note == balance::Note::held && member.driverless();
    return no_driver ? "no driver is ready" : std::string(balance::text(decision.note));
}

} // namespace

Controller::Controller(Policy policy, Settings settings)
    : policy_(std::move(policy)), settings_(std::move(settings)), finder_(policy_.places),
      remembered_(load_state(settings_.state_file)) {}

void Controller::set_policy(Policy policy, uint64_t total) {
    const Places places = policy_.places; // machines are looked for where they were
    policy_ = std::move(policy);
    policy_.places = places;
    settings_.total = total;
}

void Controller::step(std::function<void(const Step&)> done) {
    step_ = {};
    step_.total = settings_.total;
    done_ = std::move(done);
    finder_.scan(settings_.limit, [this] {
        update_members();
        look_at_all();
    });
}

void Controller::update_members() {
    for (const Failure& problem : finder_.problems())
        step_.problems.emplace_back(problem.what());
    std::vector<MachinePtr> machines;
    try {
        machines = finder_.chosen(settings_.machines);
    } catch (const BadInput& none) {
        step_.problems.emplace_back(none.what());
    }
    std::set<std::string> found;
    for (const MachinePtr& machine : machines) {
        found.insert(machine->where());
        Member& member = members_[machine->where()];
        // A domain that was started again is another object, and libvirt says that the old one has
        // ended.
        if (member.machine != machine)
            member = Member{
                .machine = machine, .incarnation = "", .view = {}, .error = "", .memory = {}};
    }
    std::erase_if(members_, [&](const auto& entry) {
        return !entry.second.view && !found.contains(entry.first);
    });
}

void Controller::look_at_all() {
    pending_ = 1; // this function
    then_ = [this] {
        drop_gone();
        decide();
    };
    for (auto& [where, member] : members_) {
        pending_++;
        look(member.machine, settings_.limit, [this, &member = member](const Outcome<View>& seen) {
            looked(member, seen);
            one_done();
        });
    }
    on_main_loop([this] { one_done(); });
}

void Controller::looked(Member& member, const Outcome<View>& seen) {
    const std::string incarnation = member.machine->incarnation();
    if (!incarnation.empty() && incarnation != member.incarnation) {
        // Another process than before, or the first one: nothing is known of it.
        member.view.reset();
        member.memory = {};
        member.in_flight = 0;
        member.incarnation = incarnation;
    }
    if (seen) {
        if (!member.view)
            step_.arrived.push_back(member.machine->name());
        return member.take(seen.value(), now_ms());
    }
    member.reachable = false;
    member.error = seen.failure().what();
    const auto saved = remembered_.find(member.machine->where());
    if (member.view || saved == remembered_.end())
        return;
    if (incarnation.empty() || saved->second.value("incarnation", "") == incarnation) {
        const std::string error = member.error;
        restore(member, saved->second, now_ms());
        member.error = error;
    }
}

void Controller::drop_gone() {
    for (auto at = members_.begin(); at != members_.end();) {
        const Member& member = at->second;
        if (member.reachable || member.machine->life() != Machine::Life::Gone) {
            ++at;
            continue;
        }
        if (member.view)
            step_.gone.push_back(member.machine->name());
        remembered_.erase(at->first); // its socket's file may stay; it goes once
        at = members_.erase(at);
    }
}

// Bytes that machines which have never answered may have, by their rules. Growing stops where there
// is no such limit.
uint64_t Controller::count_unknown() {
    uint64_t bytes = 0;
    grow_ = true;
    for (const auto& [where, member] : members_) {
        if (member.view)
            continue;
        const Rule* rule = policy_.rule_for(member.machine->name());
        const bool limited = rule != nullptr && rule->fast_max;
        bytes += limited ? std::min(*rule->fast_max, balance::kMaxBytes) : 0;
        grow_ = grow_ && limited;
        step_.problems.push_back(fmt::format(
            "{}; it has not been seen before, so {}", member.error,
            limited
                ? fmt::format("its fast-max ({}) is kept for it", format_size(*rule->fast_max))
                : std::string(
                      "no machine grows until it answers, or has a fast-max in the policy file")));
    }
    return bytes;
}

void Controller::decide() {
    known_.clear();
    unknown_ = count_unknown();
    balance::Request request{now_ms(), less(settings_.total, unknown_), policy_.options, {}};
    for (auto& [where, member] : members_)
        if (member.view) {
            known_.push_back(&member);
            request.machines.push_back(for_balance(member, policy_, request.now_ms));
        }
    balance::Result result = balance::decide(request);
    if (result.error != balance::Error::none) {
        step_.refusal = refusal(result, known_, request.total);
        return finish();
    }
    for (size_t i = 0; i < known_.size(); i++)
        known_[i]->memory = result.decisions[i].memory;
    veto_growth(result.decisions);
    step_.reach = result.reach;
    step_.excess = result.excess;
    step_.moving = result.moving;
    then_ = [this] { finish(); };
    pending_ = 1; // this function
    for (size_t i = 0; i < known_.size(); i++)
        act(result.decisions[i], *known_[i]);
    save();
    on_main_loop([this] { one_done(); });
}

void Controller::save() {
    try {
        if (!settings_.dry_run)
            save_state(settings_.state_file, members_);
    } catch (const Failure& failure) {
        step_.problems.emplace_back(failure.what());
    }
}

// The function may count a machine that boots with less than it might take at worst
// (Policy::grace). Then others keep what they have, but do not get what it might take.
void Controller::veto_growth(std::vector<balance::Decision>& decisions) {
    uint64_t reach = unknown_;
    for (const Member* member : known_)
        reach += member->reach();
    uint64_t room = grow_ ? less(settings_.total, reach) : 0;
    for (size_t i = 0; i < decisions.size(); i++) {
        balance::Decision& decision = decisions[i];
        const Tier& fast = known_[i]->view->device.fast();
        const uint64_t cost = less(decision.quota, known_[i]->reach());
        if (cost > room) {
            const uint64_t most = (known_[i]->reach() + room) & ~(fast.block_size - 1);
            decision.quota = std::max(fast.requested, most);
            decision.changes = decision.quota != fast.requested;
        }
        room -= std::min(room, cost);
        step_.waits = step_.waits ||
                      (decision.note == balance::Note::none && decision.quota < decision.target);
    }
}

void Controller::act(const balance::Decision& decision, Member& member) {
    const Device& device = member.view->device;
    step_.acts.push_back({member.machine->name(), note_for(decision, member), member.error,
                          device.fast().requested, decision.quota, decision.target, decision.share,
                          member.reach(), decision.rate_now, decision.rate_target, false});
    if (settings_.dry_run || !member.reachable)
        return;
    std::vector<std::pair<std::string, json>> commands;
    const json qos = qos_to_set(member, policy_);
    if (!qos.is_null())
        commands.emplace_back("tiermem-set-qos", qos);
    if (decision.changes) {
        member.in_flight = std::max(member.in_flight, decision.quota);
        commands.emplace_back(
            "tiermem-set-quota",
            json{{"id", device.id},
                 {"tiers", {{{"tier", Device::FAST}, {"size", decision.quota}}}},
                 {"deadline-ms", std::min<uint64_t>(policy_.options.patience_ms, UINT32_MAX)}});
    }
    pending_++;
    // Begun from the main loop: after all that may be in flight has been written to the state file.
    on_main_loop([this, index = step_.acts.size() - 1, &member, commands = std::move(commands)] {
        change(index, member, commands);
    });
}

// Gives the first command, and the others after its answer.
void Controller::change(size_t act, Member& member,
                        std::vector<std::pair<std::string, json>> commands) {
    if (commands.empty())
        return one_done();
    const auto [command, arguments] = commands.front();
    commands.erase(commands.begin());
    member.machine->execute(
        command, arguments, settings_.limit,
        [this, act, &member, command = command, commands](const Outcome<json>& outcome) {
            if (!outcome) {
                member.error = step_.acts[act].error = outcome.failure().what();
                return one_done();
            }
            step_.acts[act].changed = step_.acts[act].changed || command == "tiermem-set-quota";
            change(act, member, commands);
        });
}

void Controller::one_done() {
    if (--pending_ == 0)
        then_();
}

void Controller::finish() {
    done_(step_);
}

json Controller::as_json(const Step& step) {
    json acts = json::array();
    for (const Act& act : step.acts) {
        json one = {{"machine", act.machine},   {"requested", act.requested},
                    {"quota", act.quota},       {"target", act.target},
                    {"share", act.share},       {"reach", act.reach},
                    {"rate-now", act.rate_now}, {"rate-target", act.rate_target},
                    {"changed", act.changed}};
        if (!act.note.empty())
            one["note"] = act.note;
        if (!act.error.empty())
            one["error"] = act.error;
        acts.push_back(std::move(one));
    }
    json all = {{"time-ms", g_get_real_time() / 1000},
                {"total", step.total},
                {"reach", step.reach},
                {"excess", step.excess},
                {"moving", step.moving},
                {"waits", step.waits},
                {"arrived", step.arrived},
                {"gone", step.gone},
                {"problems", step.problems},
                {"machines", std::move(acts)}};
    if (!step.refusal.empty())
        all["refusal"] = step.refusal;
    return all;
}

} // namespace tiermemctl
