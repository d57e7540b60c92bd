/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tiering.h - the epoch: samples in, plan, pages moved
 *
 *   rings ─> spaces (whose?) ─> policy core ─plan─> relocate ─> exchange, migrate
 *                                   ^ residency (where is it now?)
 *
 * One thread, woken four times a second, less when nothing happens, and when a ring of
 * samples is half full. It starts with the driver and stops with it, at suspend and by
 * sysfs.
 *
 * Locks: tiering.control serializes starting and stopping; the thread only tries to take
 * it. tiering.lock serializes all use of policy, spaces and relocation, and is the right
 * to read the sampler's rings. It nests outside of everything that page faults and reclaim
 * take. The worker of a tier takes it without its tier's lock.
 */
#ifndef TIERMEM_TIERING_H
#define TIERMEM_TIERING_H

#include <linux/mutex.h>
#include <linux/sched.h>

#include "idle_folios.h"
#include "node_room.h"
#include "policy/budget.h"
#include "policy/policy.h"
#include "relocate.h"
#include "spaces.h"

struct tiermem;

/* What the CPU time is spent on; the index of VIRTIO_TIERMEM_STAT_CPU_TIME. */
enum tiermem_stage {
	TIERMEM_STAGE_SAMPLE,	/* taking records from the source */
	TIERMEM_STAGE_CLASSIFY,	/* the policy core and the walks it asks for */
	TIERMEM_STAGE_MOVE,
	TIERMEM_STAGES
};

#define TIERMEM_RECORDS_PER_READ 64
/* Nominal length of an epoch: what the policy tells per epoch is per so many ms. */
#define TIERMEM_EPOCH_MS 250

struct tiermem_tiering {
	struct tiermem *tm;
	struct mutex control;
	struct mutex lock;
	struct task_struct *thread;	/* NULL: off; under control */
	bool stopping;			/* ends a plan between two batches */
	bool own_sampler;		/* started by tiering, or left to it; under lock */
	bool own_kernel;		/* the kernel's own tiering is off; under control */
	unsigned int paused;		/* somebody else reads the rings; under lock */

	/* Under lock, and only while it is on. */
	struct tm_policy *policy;
	struct tiermem_spaces spaces;
	struct tiermem_relocation *relocation;
	struct tiermem_idle idle;	/* on the fast tier */
	struct tiermem_boosts boosts;	/* of its node, at the last epoch */
	bool shrinks;			/* the host was taking of it then */
	unsigned long fast_requested;	/* pages of it, by the host, then */
	struct tm_move *moves;
	struct tiermem_record records[TIERMEM_RECORDS_PER_READ];
	struct tm_sample samples[TIERMEM_RECORDS_PER_READ];
	struct tm_epoch_result result;	/* of the last epoch */
	u64 last_epoch_ns;
	u64 last_search_ns;		/* for processes that are not sampled */
	unsigned int quiet_epochs;	/* with hardly a sample and without moves; see note_quiet() */
	unsigned int stirred_epochs;	/* short ones to come; see is_stirred() */
	u32 usual_slow_milli;		/* of look-ups, those served by slow memory */
	u64 before_by_tier[2];		/* samples_by_tier at the last epoch */
	u64 lost;			/* samples, until the last epoch */
	u32 unseen;		/* samples until the next that is looked up */
	u32 samples_expected;	/* in this epoch, if it is as long and busy as the last one */
	u32 sampled_period;	/* since the last epoch */
	struct tm_budget cpu;		/* ns */
	struct tm_budget copies;	/* bytes */
	u64 page_ns;			/* what moving a page costs; average */
	u64 sampled_ns;			/* the sampler's time at the last epoch */

	/* Read anywhere; since the driver was loaded. */
	u64 epochs;
	u64 samples_by_tier[2];		/* those whose tier was looked up */
	u64 stage_ns[TIERMEM_STAGES];
	struct tiermem_relocate_stats moved;
};

void tiermem_tiering_init(struct tiermem *tm);
/* 0 (also when it is on), -ENODEV with one tier, -ENOMEM, or why there is no sampling. May sleep. */
int tiermem_tiering_start(struct tiermem *tm);
/* Off within the time that one batch of moves takes. May sleep. */
void tiermem_tiering_stop(struct tiermem *tm);

/*
 * Move the coldest pages of the fast tier, @tier, to the slow one until @pages more are
 * free, or nothing more can be moved, for about a second at most; less when the guest is
 * out of memory or the driver goes. Returns how many were moved; 0 when tiering is off.
 * May sleep; no lock may be held.
 */
unsigned long tiermem_tiering_make_room(const struct tiermem_tier *tier, unsigned long pages);

/*
 * Whether the kernel's own tiering is turned off while ours is on. 0, or
 * -EOPNOTSUPP. May sleep.
 */
int tiermem_tiering_own_kernel(struct tiermem *tm, bool own);

/* Leave the rings to somebody else, who finds sampling on or starts it. */
void tiermem_tiering_pause(struct tiermem *tm);
/*
 * Take them back; @sampling: and the sampler that he has started. It goes on while
 * tiering is on.
 */
void tiermem_tiering_resume(struct tiermem *tm, bool sampling);

/* The hotness curve; @points has TM_CURVE_POINTS. Returns how many were filled. */
unsigned int tiermem_tiering_curve(struct tiermem *tm, struct tm_curve_point *points);

const char *tiermem_stage_name(enum tiermem_stage stage);

/* sysfs_tiering.c */
extern const struct attribute_group tiermem_tiering_group;

#endif /* TIERMEM_TIERING_H */
