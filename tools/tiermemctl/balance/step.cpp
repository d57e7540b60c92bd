// SPDX-License-Identifier: GPL-2.0-or-later
// step.cpp - see step.h
#include "step.h"

#include <algorithm>

namespace tiermem::balance {

namespace {
// Raising a quota up to the reach costs nothing: that much is counted already.
std::uint64_t cost(std::uint64_t quota, const Standing& standing) {
    return less(quota, standing.reach);
}

class Stepper {
public:
    Stepper(const Request& request, const std::vector<Standing>& standings, Result& result)
        : request_(request), standings_(standings), result_(result),
          room_(less(request.total, result.reach)) {}

    void run();

private:
    [[nodiscard]] std::uint64_t goal(std::size_t i, bool minimum_only) const;
    void grow(bool minimum_only, const ServiceClass* only);

    const Request& request_;
    const std::vector<Standing>& standings_;
    Result& result_;
    std::uint64_t room_;
};

std::uint64_t Stepper::goal(std::size_t i, bool minimum_only) const {
    const std::uint64_t target = result_.decisions[i].target;
    return minimum_only ? std::min(target, standings_[i].least) : target;
}

// One round of grows, for one class or for all.
void Stepper::grow(bool minimum_only, const ServiceClass* only) {
    const auto lacks = [&](std::size_t i) {
        const bool asked =
            standings_[i].active && (!only || request_.machines[i].service_class == *only);
        return asked ? less(goal(i, minimum_only), result_.decisions[i].quota) : 0;
    };
    const auto costs = [&](std::size_t i) {
        return lacks(i) == 0 ? 0
                             : cost(goal(i, minimum_only), standings_[i]) -
                                   cost(result_.decisions[i].quota, standings_[i]);
    };
    std::uint64_t wanted = 0;
    for (std::size_t i = 0; i < standings_.size(); i++)
        wanted = plus(wanted, costs(i));
    const std::uint64_t part = std::min(room_, wanted);
    for (std::size_t i = 0; i < standings_.size(); i++) {
        if (lacks(i) == 0)
            continue;
        std::uint64_t& quota = result_.decisions[i].quota;
        const std::uint64_t paid = costs(i) == 0 ? 0 : portion(costs(i), part, wanted);
        const std::uint64_t before = cost(quota, standings_[i]);
        const std::uint64_t reached = std::max(quota, standings_[i].reach) + paid;
        quota = std::max(quota, std::min(goal(i, minimum_only),
                                         blocks_down(reached, request_.machines[i].block_size)));
        room_ = less(room_, cost(quota, standings_[i]) - before);
    }
}

void Stepper::run() {
    std::uint64_t shrunk = 0;
    std::uint64_t grown = 0;
    for (std::size_t i = 0; i < standings_.size(); i++) {
        const std::uint64_t requested = request_.machines[i].requested;
        result_.decisions[i].quota =
            standings_[i].active ? std::min(requested, result_.decisions[i].target) : requested;
    }
    grow(true, nullptr);
    for (const ServiceClass service_class :
         {ServiceClass::guaranteed, ServiceClass::burstable, ServiceClass::best_effort})
        grow(false, &service_class);
    for (std::size_t i = 0; i < standings_.size(); i++) {
        Decision& decision = result_.decisions[i];
        const std::uint64_t requested = request_.machines[i].requested;
        decision.changes = decision.quota != requested;
        shrunk = plus(shrunk, less(requested, decision.quota));
        grown = plus(grown, less(decision.quota, requested));
    }
    result_.moving = std::max(shrunk, grown);
}
} // namespace

void take_step(const Request& request, const std::vector<Standing>& standings, Result& result) {
    Stepper(request, standings, result).run();
}

} // namespace tiermem::balance
