/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * budget.h - an amount per second that holds in every ten seconds
 *
 * What is not used is kept for ten seconds and no longer. So who was idle may take
 * ten seconds' worth at once, and who always wants more gets what is allowed: no
 * ten seconds ever see more, wherever they begin. (A bucket of tokens that holds n
 * seconds' worth lets ten seconds see 10 + n.)
 *
 * Time is divided into slots of a quarter of a second; what was spent is known by
 * slot. Units of amounts are the caller's (ns of CPU time and bytes in the driver).
 * The caller serializes all calls on one budget. Amounts saturate; time that goes
 * backwards counts as no time.
 */
#ifndef TIERMEM_BUDGET_H
#define TIERMEM_BUDGET_H

#ifdef __cplusplus
#include <cstdint>
extern "C" {
#else
#include <linux/types.h>
#endif

#define TM_BUDGET_SECONDS 10
/* Four a second, and the one that has just begun. */
#define TM_BUDGET_SLOTS (4 * TM_BUDGET_SECONDS + 1)

struct tm_budget {
	uint64_t slot; /* number of the newest one, since time 0 */
	uint64_t spent[TM_BUDGET_SLOTS]; /* slot n is at n modulo their number */
};

/* Nothing has been spent by @now_ns. */
void tm_budget_reset(struct tm_budget *budget, uint64_t now_ns);
void tm_budget_spend(struct tm_budget *budget, uint64_t now_ns, uint64_t amount);
/* What may be spent now when @per_second is allowed; 0 when too much was spent. */
uint64_t tm_budget_left(struct tm_budget *budget, uint64_t now_ns, uint64_t per_second);

#ifdef __cplusplus
}
#endif

#endif /* TIERMEM_BUDGET_H */
