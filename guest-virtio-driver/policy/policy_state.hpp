// SPDX-License-Identifier: GPL-2.0-or-later
// policy_state.hpp - what a policy is made of. Internal: policy.h is the face.
#ifndef TIERMEM_POLICY_POLICY_STATE_HPP
#define TIERMEM_POLICY_POLICY_STATE_HPP

#include "demand.hpp"
#include "policy.h"
#include "planner.hpp"
#include "ranking.hpp"
#include "residency.hpp"
#include "space.hpp"

struct tm_policy {
    tm_policy_config config;
    tiermem::SpaceTable spaces; // its memory follows this structure
    tiermem::Space* last_space; // of the last sample
    tiermem::Ranking ranking;   // as of the last epoch
    tiermem::Residency residency;
    tiermem::Places places;
    uint16_t given_up; // rank up to which the last plan demotes
    tiermem::Rng rng;
    uint64_t last_ns;
    uint64_t planned_ns;     // end of the last epoch that was ranked and planned
    uint64_t quota_pages;
    uint64_t epoch_accesses; // since the last epoch, as is what follows
    uint64_t epoch_known;
    uint64_t epoch_fast;
    uint32_t epoch_samples;
    uint32_t period;
    tiermem::SampleWeights weights; // accesses that samples stood for
    uint32_t move_cost_ns;  // of a page, in the last epoch
    uint32_t epochs;        // of nominal length, that the last epoch took
    uint32_t unplanned;     // the same since `planned_ns`
    uint32_t steady;        // the same since the heat of any range has changed
    uint64_t many_samples;  // for an epoch of nominal length; see tm_policy_period_now()
    uint64_t next_limit;    // of `epoch_samples`, where the period is lengthened
    uint64_t pace;          // accesses in an epoch of nominal length, by the last few
    uint64_t busy_accesses; // the most in an epoch, slowly forgotten
    uint32_t slow_milli;    // of the accesses, served by tier 1; a mean of the last epochs
    bool slow_known;
    uint32_t stir_ppm;      // of the quota, promoted in a second, by the last epochs
    uint64_t free_expected; // pages of tier 0 that were left free by the plan
    tiermem::Demand demand; // new pages on tier 0
    tm_policy_stats stats;
    uint64_t gone_splits; // counters of spaces that were removed
    uint64_t gone_details;
    uint64_t gone_refused;
};

#endif
