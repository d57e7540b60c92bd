// SPDX-License-Identifier: GPL-2.0-or-later
// period.cpp - see period.hpp
#include "period.hpp"

#include "arith.hpp"
#include "ranking.hpp"

namespace tiermem {

namespace {
// Below doubt_ppm() in proportion, and for what is to be gained, but never less than this part.
constexpr uint32_t kLeastPart = 32;
// Of what there is to gain samples may cost one in so many: a program that hardly
// misses the caches gains less by any placement than it takes to find it.
constexpr uint64_t kGainPart = 4;

// Uncertainty that is worth the whole budget. While pages find their places, each
// sample helps for long; when hardly any moves any more, little is left to be won.
uint64_t doubt_ppm(const tm_policy_config& config, uint32_t stir) {
    const uint64_t most = kMostStir;
    return (uint64_t{config.doubt_milli} * stir + config.calm_doubt_milli * (most - stir)) * 1000 / most;
}

uint64_t samples_for(const tm_policy_config& config, uint64_t ns) {
    return ns / (config.sample_cost_ns == 0 ? 1 : config.sample_cost_ns);
}
} // namespace

uint32_t limited_period(const tm_policy_config& config, uint64_t period) {
    if (period < config.period_min)
        return config.period_min;
    return period > config.period_max ? config.period_max : static_cast<uint32_t>(period);
}

uint64_t affordable_samples(const tm_policy_config& config, uint64_t ns, uint32_t cpu_permille) {
    return samples_for(config, mul_div(ns, cpu_permille, 1000));
}

uint32_t next_period(const tm_policy_config& config, const PeriodTerms& terms) {
    // Samples an epoch that the budget pays for.
    const uint64_t most_ns = mul_div(terms.epoch_ns, terms.cpu_permille, 1000);
    const uint64_t least_ns = most_ns / kLeastPart;
    const uint64_t worth_ns = terms.gain_ns / kGainPart > least_ns ? terms.gain_ns / kGainPart : least_ns;
    const uint64_t budget_ns = most_ns < worth_ns ? most_ns : worth_ns;
    uint64_t samples = samples_for(config, budget_ns);
    const uint64_t doubt = doubt_ppm(config, terms.stir);
    if (terms.uncertain_ppm < doubt) {
        const uint64_t part = mul_div(samples, terms.uncertain_ppm, doubt);
        samples = part > samples / kLeastPart ? part : samples / kLeastPart;
    }
    if (samples == 0)
        return config.period_max;
    if (terms.accesses == 0)
        return terms.current; // idle: nothing to go by
    // Rounded up, so as to stay within the budget; odd, so as not to beat
    // with strides that are powers of two.
    const uint64_t wanted = (terms.accesses / samples + 1) | 1;
    const uint32_t period = limited_period(config, wanted);
    const bool close = period - period / 4 <= terms.current && terms.current <= sat_add(period, period / 4);
    const bool affordable = terms.current >= period;
    return close && affordable ? terms.current : period;
}

} // namespace tiermem
