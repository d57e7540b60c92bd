// SPDX-License-Identifier: GPL-2.0-or-later
// member.cpp - what the controller knows of one machine
#include "member.h"

#include <algorithm>

#include "machines/curve.h"

namespace tiermemctl {
namespace {

using tiermem::balance::kCurvePoints;
using tiermem::balance::kMaxWeight;
using tiermem::balance::Presence;
using tiermem::balance::ServiceClass;

Presence presence(const Member& member) {
    if (!member.reachable)
        return Presence::unreachable;
    const bool acts = member.view->status == "running" && !member.view->migrating &&
                      member.view->device.driver_ready;
    return acts ? Presence::running : Presence::held;
}

uint64_t resident(const Tier& fast) {
    return fast.resident.value_or(fast.size);
}

// A class that we do not know is served last.
ServiceClass class_of(const Qos& qos) {
    try {
        return parse_class(qos.service_class);
    } catch (const BadInput&) {
        return ServiceClass::best_effort;
    }
}

void take_curve(const Device& device, uint64_t looked_at_ms, tiermem::balance::Machine& machine) {
    const Curve curve = curve_of(device.stats);
    machine.believed =
        device.stats.doubts.empty() && curve.problem.empty() && curve.points.size() <= kCurvePoints;
    if (!device.stats.age_ms || !machine.believed)
        return;
    machine.curve_at_ms = looked_at_ms - std::min(looked_at_ms, *device.stats.age_ms);
    machine.curve.count = static_cast<uint32_t>(curve.points.size());
    for (size_t i = 0; i < curve.points.size(); i++)
        machine.curve.points[i] = {curve.points[i].bytes, curve.points[i].rate};
}

void take_terms(const Qos& qos, const Rule* rule, tiermem::balance::Machine& machine) {
    const Rule none;
    const Rule& said = rule != nullptr ? *rule : none;
    machine.service_class = said.service_class.value_or(class_of(qos));
    machine.weight = said.weight.value_or(std::clamp(qos.weight, 1U, kMaxWeight));
    machine.minimum = said.fast_min.value_or(qos.fast_min);
    machine.cap = std::min(said.fast_max.value_or(machine.size), machine.size);
    machine.base = std::min(said.fast_base.value_or(0), machine.cap);
}

} // namespace

uint64_t Member::reach() const {
    const Tier& fast = view->device.fast();
    return std::min(fast.size, std::max({fast.requested, fast.actual, resident(fast), in_flight}));
}

bool Member::driverless() const {
    return !view->device.driver_ready || view->status == "inmigrate";
}

bool Member::in_grace(uint64_t now_ms, std::chrono::milliseconds grace) const {
    return driverless() && now_ms - obeyed_at_ms < static_cast<uint64_t>(grace.count());
}

void Member::take(const View& seen, uint64_t now_ms) {
    const bool first = !view;
    view = seen;
    reachable = true;
    error.clear();
    looked_at_ms = now_ms;
    in_flight = 0;
    if (first || !driverless())
        obeyed_at_ms = now_ms;
}

tiermem::balance::Machine for_balance(const Member& member, const Policy& policy, uint64_t now_ms) {
    const Device& device = member.view->device;
    const Tier& fast = device.fast();
    tiermem::balance::Machine machine;
    machine.presence = presence(member);
    machine.size = fast.size;
    machine.block_size = fast.block_size;
    machine.requested = fast.requested;
    machine.actual =
        member.in_grace(now_ms, policy.grace) ? std::min(fast.actual, fast.requested) : fast.actual;
    machine.resident = resident(fast);
    machine.in_flight = member.in_flight;
    machine.memory = member.memory;
    take_terms(device.qos, policy.rule_for(member.machine->name()), machine);
    take_curve(device, member.looked_at_ms, machine);
    return machine;
}

json qos_to_set(const Member& member, const Policy& policy) {
    const Rule* rule = policy.rule_for(member.machine->name());
    const Device& device = member.view->device;
    json change = {{"id", device.id}};
    if (rule == nullptr)
        return nullptr;
    if (rule->service_class && class_name(*rule->service_class) != device.qos.service_class)
        change["class"] = class_name(*rule->service_class);
    if (rule->weight && *rule->weight != device.qos.weight)
        change["weight"] = *rule->weight;
    if (rule->fast_min && *rule->fast_min != device.qos.fast_min &&
        *rule->fast_min <= device.fast().requested)
        change["fast-min"] = *rule->fast_min;
    return change.size() > 1 ? change : json(nullptr);
}

} // namespace tiermemctl
