// SPDX-License-Identifier: GPL-2.0-or-later
// plan.cpp - the ideal: minima, then class by class what the policy says
//
// By gain: with concave curves the greedy choice is the best one. Take the
// hottest pieces of all machines, weighted, until the memory is used up
// (equal marginal gains; see Waldspurger, OSDI 2002, for the idea of a price a
// page, and Stone, Turek and Wolf, IEEE Trans. Computers 41(9), 1992, for the
// proof with cache partitions).
#include "plan.h"

#include <algorithm>

#include "curve.h"
#include "fill.h"

namespace tiermem::balance {

namespace {
constexpr std::uint64_t kPermille = 1000;
constexpr std::uint64_t kMostNoise = 100; // permille

class Planner {
public:
    Planner(const Request& request, const std::vector<Standing>& standings, const Result& result)
        : request_(request), standings_(standings), result_(result), given_(standings.size(), 0) {}

    std::vector<std::uint64_t> run(std::uint64_t amount);

private:
    [[nodiscard]] bool takes_part(std::uint32_t i, ServiceClass service_class) const;
    [[nodiscard]] std::uint64_t claim_of(std::uint32_t i) const;
    [[nodiscard]] std::uint64_t bonus(std::uint32_t i) const;
    void claim_by_weight(ServiceClass service_class);
    void claim_by_gain(ServiceClass service_class);
    void add_segments(std::uint32_t i);

    const Request& request_;
    const std::vector<Standing>& standings_;
    const Result& result_;
    std::vector<std::uint64_t> given_;
    std::uint64_t rest_ = 0;
    std::vector<Claim> claims_;
    std::vector<std::uint64_t> filled_;
    std::vector<Segment> segments_;
};

bool Planner::takes_part(std::uint32_t i, ServiceClass service_class) const {
    return standings_[i].active && (request_.options.policy == Policy::fixed ||
                                    request_.machines[i].service_class == service_class);
}

// What a machine may have by its weight, beyond its minimum.
std::uint64_t Planner::claim_of(std::uint32_t i) const {
    const Options& options = request_.options;
    const Standing& standing = standings_[i];
    if (options.policy == Policy::fixed)
        return standing.most;
    const std::uint64_t share = result_.decisions[i].share;
    if (!standing.by_curve)
        return std::min(standing.most, share);
    const std::uint64_t used =
        std::min(standing.most, used_bytes(result_.decisions[i].memory.average));
    return options.policy == Policy::proportional
               ? used
               : std::min(used, portion(share, options.keep_share, kPermille));
}

void Planner::claim_by_weight(ServiceClass service_class) {
    std::uint64_t least = 0;
    claims_.clear();
    for (std::uint32_t i = 0; i < standings_.size(); i++)
        if (takes_part(i, service_class)) {
            claims_.push_back({i, request_.machines[i].weight, standings_[i].least, claim_of(i)});
            least = plus(least, standings_[i].least);
        }
    fill_by_weight(claims_, plus(rest_, least), filled_);
    for (std::size_t c = 0; c < claims_.size(); c++) {
        given_[claims_[c].machine] = filled_[c];
        rest_ = less(rest_, filled_[c] - claims_[c].least);
    }
}

// Permille by which what a machine holds counts for more.
std::uint64_t Planner::bonus(std::uint32_t i) const {
    const std::uint64_t noise = 2 * result_.decisions[i].memory.noise / kNoiseUnit;
    return request_.options.hysteresis + std::min(noise, kMostNoise);
}

// Of the machine's curve, the part between what it has been given and its cap.
void Planner::add_segments(std::uint32_t i) {
    const Curve& curve = result_.decisions[i].memory.average;
    const std::uint64_t end = standings_[i].most;
    const std::uint64_t held = standings_[i].held;
    std::uint64_t at = given_[i];
    std::uint64_t coldest = ~std::uint64_t{0};
    for (std::size_t p = 0; p < curve.count && at < end;) {
        const Piece part = piece(curve, p);
        const std::uint64_t piece_end = std::min(end, curve.points[p].bytes);
        const std::uint64_t stop = at < held ? std::min(held, piece_end) : piece_end;
        if (stop > at && part.rate > 0) {
            const Wide gain = Wide{part.rate} * request_.machines[i].weight *
                              (kPermille + (at < held ? bonus(i) : 0));
            coldest = std::min(coldest, heat(gain, part.bytes));
            segments_.push_back({coldest, stop - at, i});
        }
        at = std::max(at, stop);
        p += at >= piece_end ? 1 : 0;
    }
}

void Planner::claim_by_gain(ServiceClass service_class) {
    segments_.clear();
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    for (std::uint32_t i = 0; i < standings_.size(); i++)
        if (takes_part(i, service_class) && standings_[i].by_curve)
            add_segments(i);
    for (const std::uint64_t bytes : given_)
        before = plus(before, bytes);
    fill_by_heat(segments_, rest_, given_);
    for (const std::uint64_t bytes : given_)
        after = plus(after, bytes);
    rest_ = less(rest_, after - before);
}

std::vector<std::uint64_t> Planner::run(std::uint64_t amount) {
    std::uint64_t minima = 0;
    for (std::size_t i = 0; i < standings_.size(); i++)
        if (standings_[i].active)
            minima = plus(minima, given_[i] = standings_[i].least);
    rest_ = less(amount, minima);
    for (const ServiceClass service_class :
         {ServiceClass::guaranteed, ServiceClass::burstable, ServiceClass::best_effort}) {
        claim_by_weight(service_class);
        if (request_.options.policy == Policy::gain)
            claim_by_gain(service_class);
        if (request_.options.policy == Policy::fixed)
            break;
    }
    return std::move(given_);
}
} // namespace

std::vector<std::uint64_t> shares(const Request& request, const std::vector<Standing>& standings) {
    std::vector<Claim> claims;
    claims.reserve(standings.size());
    for (std::uint32_t i = 0; i < standings.size(); i++)
        claims.push_back({i, request.machines[i].weight, standings[i].least, standings[i].most});
    std::vector<std::uint64_t> share;
    fill_by_weight(claims, request.total, share);
    return share;
}

std::uint64_t available(const Request& request, const std::vector<Standing>& standings) {
    std::uint64_t amount = request.total;
    for (const Standing& standing : standings)
        amount = less(amount, standing.active ? 0 : standing.reach);
    return amount;
}

std::vector<std::uint64_t> ideals(const Request& request, const std::vector<Standing>& standings,
                                  const Result& result, std::uint64_t amount) {
    return Planner(request, standings, result).run(amount);
}

} // namespace tiermem::balance
