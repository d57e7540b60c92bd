// SPDX-License-Identifier: GPL-2.0-or-later
// decide.cpp - the decision: a list of calls
#include "balance.h"

#include "base.h"
#include "curve.h"
#include "plan.h"
#include "step.h"

namespace tiermem::balance {

namespace {
std::vector<Standing> assess_all(const Request& request, Result& result) {
    std::vector<Standing> standings;
    standings.reserve(request.machines.size());
    result.decisions.resize(request.machines.size());
    for (std::size_t i = 0; i < request.machines.size(); i++) {
        Decision& decision = result.decisions[i];
        decision.memory = request.machines[i].memory;
        standings.push_back(
            assess(request.machines[i], request.options, request.now_ms, decision.memory));
        decision.note = standings[i].note;
        decision.reach = standings[i].reach;
        result.reach = plus(result.reach, decision.reach);
    }
    result.excess = less(result.reach, request.total);
    return standings;
}

// A machine that is left alone keeps its quota, and the target it will come back to.
void take_targets(const Request& request, const std::vector<Standing>& standings,
                  const std::vector<std::uint64_t>& target, Result& result) {
    for (std::size_t i = 0; i < standings.size(); i++) {
        Decision& decision = result.decisions[i];
        decision.target = standings[i].active ? target[i] : request.machines[i].requested;
        if (standings[i].active)
            decision.memory.target = decision.target;
        if (standings[i].by_curve) {
            decision.rate_now =
                rate_within(decision.memory.average, request.machines[i].requested) >> kMeanShift;
            decision.rate_target =
                rate_within(decision.memory.average, decision.target) >> kMeanShift;
        }
    }
}

void decide_checked(const Request& request, Result& result) {
    const std::vector<Standing> standings = assess_all(request, result);
    const std::vector<std::uint64_t> share = shares(request, standings);
    for (std::size_t i = 0; i < share.size(); i++)
        result.decisions[i].share = share[i];
    const std::uint64_t amount = available(request, standings);
    const std::vector<std::uint64_t> ideal = ideals(request, standings, result, amount);
    take_targets(request, standings, damped(request, standings, result, amount, ideal), result);
    take_step(request, standings, result);
}
} // namespace

Result decide(const Request& request) {
    Result result;
    if (!check(request, result))
        return result;
    const std::vector<std::uint64_t> base = bases(request);
    if (base.empty()) {
        decide_checked(request, result);
        return result;
    }
    decide_checked(without_bases(request, base), result);
    put_back(request, base, result);
    return result;
}

} // namespace tiermem::balance
