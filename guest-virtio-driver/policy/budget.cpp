// SPDX-License-Identifier: GPL-2.0-or-later
// budget.cpp - see budget.h
#include "budget.h"

#include "arith.hpp"

namespace tiermem {
namespace {

constexpr uint64_t kSlotNs = uint64_t{1000000000} * TM_BUDGET_SECONDS / (TM_BUDGET_SLOTS - 1);

// Forget what was spent more than ten seconds ago.
void advance(tm_budget& budget, uint64_t now_ns) {
    const uint64_t slot = now_ns / kSlotNs;
    if (slot >= sat_add<uint64_t>(budget.slot, TM_BUDGET_SLOTS)) {
        tm_budget_reset(&budget, now_ns);
        return;
    }
    while (budget.slot < slot)
        budget.spent[++budget.slot % TM_BUDGET_SLOTS] = 0;
}

} // namespace
} // namespace tiermem

using namespace tiermem;

void tm_budget_reset(tm_budget* budget, uint64_t now_ns) {
    *budget = tm_budget{};
    budget->slot = now_ns / kSlotNs;
}

void tm_budget_spend(tm_budget* budget, uint64_t now_ns, uint64_t amount) {
    advance(*budget, now_ns);
    uint64_t& spent = budget->spent[budget->slot % TM_BUDGET_SLOTS];
    spent = sat_add(spent, amount);
}

uint64_t tm_budget_left(tm_budget* budget, uint64_t now_ns, uint64_t per_second) {
    advance(*budget, now_ns);
    uint64_t spent = 0;
    for (const uint64_t amount : budget->spent)
        spent = sat_add(spent, amount);
    return sat_sub(sat_mul(per_second, TM_BUDGET_SECONDS), spent);
}
