// SPDX-License-Identifier: GPL-2.0-or-later
// damp.cpp - from where the machines are towards the ideal, without moving for
// a trifle
//
// What this costs is bounded. A byte that stays where it is although another
// machine would use it better loses at most `hysteresis` (plan.cpp), a machine
// that does not grow loses less than `least_gain` of its own accesses: with the
// defaults the sum is at least (1 - 0.009) / 1.02 = 0.971 of the ideal.
#include <algorithm>

#include "curve.h"
#include "fill.h"
#include "plan.h"

namespace tiermem::balance {

namespace {
constexpr std::uint64_t kPermille = 1000;

class Damper {
public:
    Damper(const Request& request, const std::vector<Standing>& standings, const Result& result,
           const std::vector<std::uint64_t>& ideal)
        : request_(request), standings_(standings), result_(result), ideal_(ideal),
          target_(standings.size(), 0) {}

    std::vector<std::uint64_t> run(std::uint64_t amount);

private:
    [[nodiscard]] std::uint64_t goal(std::size_t i) const;
    [[nodiscard]] bool worth_growing(std::size_t i) const;
    void grow_who_gain();
    void take_from_surplus(std::uint64_t needed);
    void share_out_spare(std::uint64_t amount);
    void hand_out_blocks(std::uint64_t& spare, bool only_below_ideal);
    [[nodiscard]] std::uint64_t limit(std::size_t i) const;
    [[nodiscard]] std::uint64_t sum() const;

    const Request& request_;
    const std::vector<Standing>& standings_;
    const Result& result_;
    const std::vector<std::uint64_t>& ideal_;
    std::vector<std::uint64_t> target_;
};

std::uint64_t Damper::sum() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t bytes : target_)
        sum = plus(sum, bytes);
    return sum;
}

// The ideal in whole blocks.
std::uint64_t Damper::goal(std::size_t i) const {
    return std::max(standings_[i].least, blocks_down(ideal_[i], request_.machines[i].block_size));
}

bool Damper::worth_growing(std::size_t i) const {
    const std::uint64_t least_gain = request_.options.least_gain;
    std::uint64_t now = standings_[i].held;
    std::uint64_t then = goal(i);
    if (standings_[i].by_curve && request_.options.policy == Policy::gain) {
        now = rate_within(result_.decisions[i].memory.average, now);
        then = rate_within(result_.decisions[i].memory.average, then);
    }
    return then > now && Wide{then - now} * kPermille >= Wide{now} * least_gain;
}

void Damper::grow_who_gain() {
    for (std::size_t i = 0; i < target_.size(); i++)
        if (standings_[i].active)
            target_[i] = worth_growing(i) ? goal(i) : standings_[i].held;
}

// Everybody who has more than its goal gives in proportion to that.
void Damper::take_from_surplus(std::uint64_t needed) {
    std::uint64_t surplus = 0;
    for (std::size_t i = 0; i < target_.size(); i++)
        surplus = plus(surplus, standings_[i].active ? less(target_[i], goal(i)) : 0);
    const std::uint64_t part = std::min(needed, surplus);
    for (std::size_t i = 0; i < target_.size() && needed > 0; i++) {
        const std::uint64_t own = standings_[i].active ? less(target_[i], goal(i)) : 0;
        if (own == 0)
            continue;
        const std::uint64_t gives =
            blocks_up(portion(own, part, surplus), request_.machines[i].block_size);
        target_[i] -= gives;
        needed = less(needed, gives);
    }
}

// Up to where a machine may take what nobody else has a use for.
std::uint64_t Damper::limit(std::size_t i) const {
    const Standing& standing = standings_[i];
    if (!standing.active)
        return 0;
    return standing.by_curve ? standing.most : std::min(standing.most, result_.decisions[i].share);
}

void Damper::hand_out_blocks(std::uint64_t& spare, bool only_below_ideal) {
    for (std::size_t i = 0; i < target_.size() && spare > 0; i++) {
        const std::uint64_t block = request_.machines[i].block_size;
        const std::uint64_t end =
            only_below_ideal ? std::min(limit(i), blocks_up(ideal_[i], block)) : limit(i);
        if (block <= spare && target_[i] + block <= end) {
            target_[i] += block;
            spare -= block;
        }
    }
}

void Damper::share_out_spare(std::uint64_t amount) {
    std::vector<Claim> claims;
    for (std::uint32_t i = 0; i < target_.size(); i++)
        if (target_[i] < limit(i))
            claims.push_back({i, request_.machines[i].weight, target_[i], limit(i)});
        else
            amount = less(amount, target_[i]);
    std::vector<std::uint64_t> filled;
    fill_by_weight(claims, amount, filled);
    for (std::size_t c = 0; c < claims.size(); c++) {
        const std::uint32_t i = claims[c].machine;
        target_[i] += blocks_down(filled[c] - target_[i], request_.machines[i].block_size);
    }
}

std::vector<std::uint64_t> Damper::run(std::uint64_t amount) {
    grow_who_gain();
    take_from_surplus(less(sum(), amount));
    std::uint64_t spare = less(amount, sum());
    hand_out_blocks(spare, true);
    if (spare > 0) {
        share_out_spare(amount);
        spare = less(amount, sum());
        hand_out_blocks(spare, false);
    }
    return std::move(target_);
}
} // namespace

std::vector<std::uint64_t> damped(const Request& request, const std::vector<Standing>& standings,
                                  const Result& result, std::uint64_t amount,
                                  const std::vector<std::uint64_t>& ideal) {
    return Damper(request, standings, result, ideal).run(amount);
}

} // namespace tiermem::balance
