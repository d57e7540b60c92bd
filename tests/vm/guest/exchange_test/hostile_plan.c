// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver's relocate.c, migrate.c and residency.c under a policy that proposes
 * whatever a program of tests says. Stands in for spaces.c, idle_folios.c and the policy core.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "exchange_test.h"
#include "hostile_plan.h"
#include "idle_folios.h"
#include "relocate.h"
#include "sharers.h"
#include "tiermem.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define MAX_STEPS 4096

/* One plan at a time. */
static DEFINE_MUTEX(plan_lock);
static struct mm_struct *spaces[3];	/* by id; under plan_lock */
static struct exchange_test_step *steps;	/* of the plan under way; under plan_lock */
static const struct tm_move *first_move;	/* of the same; under plan_lock */

/* What the driver has in spaces.c and the policy core */

struct mm_struct *tiermem_spaces_get(struct tiermem_spaces *unused, u64 id)
{
	struct mm_struct *mm = id < ARRAY_SIZE(spaces) ? spaces[id] : NULL;

	return mm && mmget_not_zero(mm) ? mm : NULL;
}

void tm_policy_moved(struct tm_policy *policy, const struct tm_move *move,
		     const struct tm_outcome *outcome)
{
	struct exchange_test_step *step = &steps[move - first_move];

	memcpy(step->done, outcome->done, sizeof(step->done));
	memcpy(step->refused_promote, outcome->refused_promote, sizeof(step->refused_promote));
	memcpy(step->refused_demote, outcome->refused_demote, sizeof(step->refused_demote));
	memcpy(step->demoted, outcome->demoted, sizeof(step->demoted));
	step->told++;
}

void tm_policy_idle_moved(struct tm_policy *policy, uint64_t pages)
{
}

/* Relocations without a stock of idle page cache never ask. */

struct folio *tiermem_idle_take(struct tiermem_idle *unused)
{
	return NULL;
}

unsigned long tiermem_idle_move(struct tiermem_idle *unused, unsigned long pages, int nid,
				u64 most_ns, const bool *stop)
{
	return 0;
}

/* Nobody else has any heat. */
bool tiermem_is_kept(struct tiermem_spaces *unused, struct folio *folio)
{
	return false;
}

/* A plan */

static void describe_tiers(struct tiermem *tm)
{
	unsigned int i;

	tm->num_tiers = 2;
	for (i = 0; i < 2; i++) {
		tm->tiers[i].nid = i;
		tm->tiers[i].nr_regions = 1;
		tm->tiers[i].regions[0].start_pfn = node_start_pfn(i);
		tm->tiers[i].regions[0].end_pfn = node_end_pfn(i);
	}
}

static void answer(struct exchange_test_plan *plan, const struct tiermem_relocate_stats *stats)
{
	unsigned int i;

	for (i = 0; i < TIERMEM_EXCHANGE_OUTCOMES; i++)
		plan->outcomes[i] = stats->exchange.pairs[i];
	plan->huge = stats->exchange.huge;
	plan->promoted = stats->promoted;
	plan->demoted = stats->demoted;
	plan->migrated = stats->migrated;
}

static struct tm_move *make_moves(unsigned int nr)
{
	struct tm_move *moves = kvcalloc(nr, sizeof(*moves), GFP_KERNEL);
	unsigned int i;

	for (i = 0; moves && i < nr; i++)
		moves[i] = (struct tm_move) {
			.promote_space = steps[i].promote_space,
			.promote_addr = steps[i].promote_addr,
			.demote_space = steps[i].demote_space,
			.demote_addr = steps[i].demote_addr,
			.pages = steps[i].pages, .huge = steps[i].huge,
			.gain = steps[i].gain, .reserved = steps[i].reserved,
		};
	return moves;
}

static long carry_out(struct exchange_test_plan *plan)
{
	struct tiermem_relocation *relocation = kvzalloc(sizeof(*relocation), GFP_KERNEL);
	struct tiermem *tm = kvzalloc(sizeof(*tm), GFP_KERNEL);
	struct tm_move *moves = make_moves(plan->nr);
	const bool never = false;
	long ret = -ENOMEM;

	if (relocation && tm && moves) {
		describe_tiers(tm);
		relocation->tm = tm;
		first_move = moves;
		plan->looked_at = tiermem_relocate(relocation, moves, plan->nr, &never);
		answer(plan, &relocation->stats);
		ret = 0;
	}
	kvfree(moves);
	kvfree(tm);
	kvfree(relocation);
	return ret;
}

static long carry_out_between(struct exchange_test_plan *plan)
{
	long ret = -ESRCH;

	spaces[1] = exchange_test_mm(0);
	spaces[2] = exchange_test_mm(plan->other);
	if (spaces[1] && spaces[2])
		ret = carry_out(plan);
	if (spaces[1])
		mmput(spaces[1]);
	if (spaces[2])
		mmput(spaces[2]);
	return ret;
}

long exchange_test_plan_call(unsigned long argument)
{
	struct exchange_test_plan plan;
	size_t bytes;
	long ret;

	if (copy_from_user(&plan, (void __user *)argument, sizeof(plan)))
		return -EFAULT;
	if (!plan.nr || plan.nr > MAX_STEPS)
		return -EINVAL;
	bytes = plan.nr * sizeof(*steps);
	mutex_lock(&plan_lock);
	steps = vmemdup_user(u64_to_user_ptr(plan.steps), bytes);
	ret = PTR_ERR_OR_ZERO(steps);
	if (!ret) {
		ret = carry_out_between(&plan);
		if (!ret && (copy_to_user(u64_to_user_ptr(plan.steps), steps, bytes) ||
			     copy_to_user((void __user *)argument, &plan, sizeof(plan))))
			ret = -EFAULT;
		kvfree(steps);
	}
	mutex_unlock(&plan_lock);
	return ret;
}
