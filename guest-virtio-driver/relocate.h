/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relocate.h - carrying out a plan of the policy core
 *
 *   step with two sides   exchanged
 *   promotion             exchanged with page cache that nobody uses, while there is
 *                         some that the plan gives up
 *   promotion, demotion   moved into a free page of the other tier
 *
 * What the exchanger refuses but the kernel can move goes by its migration; of two sides,
 * first the one to be demoted. What several processes map is not demoted for one of them while
 * it is hot in another.
 *
 * A plan is a proposal: each page is checked where it is moved, so a plan that
 * makes no sense moves nothing that may not be moved.
 */
#ifndef TIERMEM_RELOCATE_H
#define TIERMEM_RELOCATE_H

#include "exchange.h"
#include "migrate.h"
#include "policy/policy.h"
#include "spaces.h"

struct tiermem;
struct tiermem_idle;

#define TIERMEM_RELOCATE_PAIRS 512

/* Since the owner has zeroed it. Pages of 4 KiB. */
struct tiermem_relocate_stats {
	struct tiermem_exchange_stats exchange;
	u64 promoted;
	u64 demoted;
	u64 migrated;	/* of both, by the kernel's migration */
	u64 idle;	/* of those demoted: of nobody's address space */
	u64 unmoved[TIERMEM_MIGRATE_REFUSALS];	/* by the migration, by cause; sides of pairs */
};

/* Steps that are carried out together, and their pairs. About 200 KiB. */
struct tiermem_relocation {
	struct tiermem *tm;
	struct tm_policy *policy;
	struct tiermem_spaces *spaces;
	struct tiermem_relocate_stats stats;
	struct tiermem_idle *idle;	/* of the fast tier; or NULL: nothing of it moves */
	unsigned long idle_left;	/* pages of it that the plan gives up; the caller sets it */

	/* The steps under way. */
	const struct tm_move *moves;
	unsigned int nr_moves;
	struct mm_struct *hot_mm[TIERMEM_RELOCATE_PAIRS];
	struct mm_struct *cold_mm[TIERMEM_RELOCATE_PAIRS];
	struct tm_outcome outcomes[TIERMEM_RELOCATE_PAIRS];
	unsigned int nr_pairs;
	struct tiermem_pair pairs[TIERMEM_RELOCATE_PAIRS];
	u16 step_of[TIERMEM_RELOCATE_PAIRS];	/* of a pair */
	u16 page_of[TIERMEM_RELOCATE_PAIRS];	/* within the step */

	/* Pairs with something left to the kernel's migration. */
	unsigned int nr_left;
	u16 left[TIERMEM_RELOCATE_PAIRS];
	struct tiermem_place places[TIERMEM_RELOCATE_PAIRS];
	bool refused[TIERMEM_RELOCATE_PAIRS];	/* not even put on their way */
	bool arrived[TIERMEM_RELOCATE_PAIRS];
};

/*
 * Carry out the steps in their order and tell the policy what became of each;
 * stops early, with the rest untouched, once *@stop is set. Returns how many
 * steps were looked at. Process context, may sleep; the caller holds no lock
 * that page faults or reclaim take, and serializes calls on one policy.
 */
unsigned int tiermem_relocate(struct tiermem_relocation *relocation,
			      const struct tm_move *moves, unsigned int nr,
			      const bool *stop);

/*
 * Move page cache of the fast tier that nobody uses to the slow one: @pages pages or a
 * little more, by migration, until @most_ns of CPU time are spent or *@stop is set. Tells
 * the policy. Returns how many were moved. Otherwise as above.
 */
unsigned long tiermem_relocate_idle(struct tiermem_relocation *relocation, unsigned long pages,
				    u64 most_ns, const bool *stop);

#endif /* TIERMEM_RELOCATE_H */
