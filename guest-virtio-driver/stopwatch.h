/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stopwatch.h - what a piece of work costs the CPU
 *
 * Work that waits for locks and gives way to others takes longer than it costs,
 * on a busy CPU by orders of magnitude. Budgets are of what it costs.
 */
#ifndef TIERMEM_STOPWATCH_H
#define TIERMEM_STOPWATCH_H

#include <linux/sched.h>
#include <linux/sched/clock.h>

/* A moment, in ns. */
struct tiermem_stopwatch {
	u64 cpu;	/* CPU time of this thread */
	u64 wall;
};

/* What the scheduler has counted, and what has passed since it last counted. */
static inline u64 tiermem_cpu_time(void)
{
	const struct sched_entity *se = &current->se;
	u64 ns;

	preempt_disable();
	ns = se->sum_exec_runtime + local_clock() - se->exec_start;
	preempt_enable();
	return ns;
}

static inline struct tiermem_stopwatch tiermem_stopwatch_start(void)
{
	return (struct tiermem_stopwatch) {
		.cpu = tiermem_cpu_time(), .wall = local_clock(),
	};
}

/*
 * This thread's CPU time since then, in ns. The scheduler's clocks of two CPUs
 * can be apart by the interrupts of each: never less than nothing, never more
 * than on the wall.
 */
static inline u64 tiermem_stopwatch_read(const struct tiermem_stopwatch *since)
{
	s64 wall = local_clock() - since->wall;

	return clamp_t(s64, tiermem_cpu_time() - since->cpu, 0, max(wall, 0LL));
}

#endif /* TIERMEM_STOPWATCH_H */
