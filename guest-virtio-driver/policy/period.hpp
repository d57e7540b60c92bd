// SPDX-License-Identifier: GPL-2.0-or-later
// period.hpp - how densely to sample: with the whole CPU budget while it is
// uncertain which pages belong on which tier, with a small part of it (enough to
// notice a change) once that is settled.
#ifndef TIERMEM_POLICY_PERIOD_HPP
#define TIERMEM_POLICY_PERIOD_HPP

#include "policy.h"

namespace tiermem {

struct PeriodTerms {
    uint64_t accesses;        // that the samples of the epoch stood for
    uint64_t epoch_ns;        // its length
    uint32_t cpu_permille;    // budget
    uint64_t gain_ns;         // what there is to gain in an epoch, if all of it were fast
    uint32_t uncertain_ppm;   // Ranking::uncertain_ppm()
    uint32_t stir;            // 0..kMostStir, how much is promoted
    uint32_t current;         // period in force
};

// The nearest period that `config` allows.
uint32_t limited_period(const tm_policy_config& config, uint64_t period);

// Samples that cost so many permille of `ns` of one CPU.
uint64_t affordable_samples(const tm_policy_config& config, uint64_t ns, uint32_t cpu_permille);

// Pure. The period wanted, within the limits of `config`; keeps `current`
// where the difference is less than a quarter.
uint32_t next_period(const tm_policy_config& config, const PeriodTerms& terms);

} // namespace tiermem

#endif
