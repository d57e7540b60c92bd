/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sampler.h - which addresses the guest's processes access
 *
 * One source at a time delivers sampled accesses of user space into rings, one
 * for each CPU; one consumer reads them:
 *
 *   PEBS buffer ─┐
 *   IBS          ├─> ring of the CPU ──> tiermem_sampler_read()
 *   access bits ─┘
 *
 * Sources are tried in that order; the reason why one was passed over is kept
 * (sysfs: sampler/reasons). A ring never blocks its producer: what does not fit
 * is counted as lost.
 *
 * A record belongs to the address space that made the access. It carries the
 * thread group and the address of its mm_struct, which together name an address
 * space as long as the consumer finds both at the same task.
 */
#ifndef TIERMEM_SAMPLER_H
#define TIERMEM_SAMPLER_H

#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* Power of two. At period 4093 a CPU makes some 10,000 records a second. */
#define TIERMEM_RING_RECORDS 8192
/* With so many unread ones in a ring its consumer is woken. */
#define TIERMEM_RING_WAKE (TIERMEM_RING_RECORDS / 2)

/* One sampled access. */
struct tiermem_record {
	u64 addr;		/* virtual address of the data */
	u64 ip;			/* of the instruction; 0 where unknown */
	const void *mm;		/* only ever compared, never followed */
	u32 tgid;
	u32 latency;		/* cycles; 0 where unknown */
};

/*
 * Written by its CPU with interrupts off (or in NMI), read by the one consumer.
 * head and tail run freely; head is published after the records are.
 */
struct tiermem_ring {
	struct tiermem_record *records;	/* NULL while there is no source */
	u32 head;
	/* on a line of its own: the consumer writes it */
	u32 tail ____cacheline_aligned_in_smp;
};

struct tiermem_sampler_stats {
	u64 records;		/* put into rings */
	u64 lost_ring;		/* did not fit into a ring */
	u64 lost_source;	/* unreadable or overwritten at the source */
	u64 foreign;		/* records of other users of the source */
	u64 drains;		/* times that the source was emptied */
	u64 wakes;		/* of the consumer, as a ring was half full */
	u64 time_ns;		/* spent taking records, all CPUs */
	u64 flushes;		/* TLB flushes that the source needed */
	u64 ptes;		/* page-table entries looked at */
};

/* What sources count; summed over CPUs when read. */
struct tiermem_sampler_cpu {
	struct tiermem_ring ring;
	struct tiermem_sampler_stats stats;
	struct irq_work wake;	/* records come where nobody can be woken */
	struct tiermem_sampler *sampler;
};

struct perf_event;

/*
 * A source. start() may sleep and leaves the source running on no CPU; each
 * CPU then gets cpu_online() in a thread bound to it. All calls but stats()
 * are serialized by the sampler.
 */
struct tiermem_source {
	const char *name;
	/* 0, or a negative errno after tiermem_sampler_reason(). */
	int (*start)(struct tiermem_sampler *sampler);
	void (*stop)(struct tiermem_sampler *sampler);
	int (*cpu_online)(struct tiermem_sampler *sampler, unsigned int cpu);
	void (*cpu_offline)(struct tiermem_sampler *sampler, unsigned int cpu);
	/*
	 * A new period, in accesses; taken from sampler->period by start(). NULL
	 * for a source that has none and keeps within the budget by itself.
	 */
	int (*set_period)(struct tiermem_sampler *sampler, u32 period);
};

/* What is sampled; sysfs: sampler/event. */
enum tiermem_event {
	TIERMEM_EVENT_LOAD_LATENCY,	/* loads slower than a cache hit */
	TIERMEM_EVENT_LOADS,
	TIERMEM_EVENT_STORES,
	TIERMEM_NR_EVENTS
};

#define TIERMEM_NR_SOURCES 3
#define TIERMEM_REASON_LEN 96
/* Periods must not be multiples of what loops do: odd by default. */
#define TIERMEM_PERIOD_MIN 29
#define TIERMEM_PERIOD_DEFAULT 4093
#define TIERMEM_PERIOD_MAX (1 << 24)
/* Just above a hit of the last-level cache, in cycles. */
#define TIERMEM_LOAD_LATENCY 64

struct tiermem_sampler {
	struct mutex lock;		/* starting, stopping, periods, reading the rings */
	const struct tiermem_source *source;	/* NULL while stopped */
	struct tiermem_sampler_cpu __percpu *cpus;
	enum tiermem_event event;
	u32 wanted_period;		/* what was asked for */
	u32 period;			/* in force: larger where CPU is short */
	u32 cpu_budget;			/* permille of one CPU */
	bool filled;			/* see tiermem_sampler_wait() */
	wait_queue_head_t waiting;	/* the consumer, until filled */
	int hotplug_state;
	struct delayed_work budget_work;
	u64 budget_time_ns;		/* stats.time_ns at its last run, or at the start ... */
	u64 budget_at_ns;		/* ... and ktime_get_ns() then */
	char reasons[TIERMEM_NR_SOURCES][TIERMEM_REASON_LEN];
};

extern const struct tiermem_source tiermem_source_pebs;
extern const struct tiermem_source tiermem_source_ibs;
extern const struct tiermem_source tiermem_source_access_bits;

int tiermem_sampler_init(struct tiermem_sampler *sampler);
void tiermem_sampler_destroy(struct tiermem_sampler *sampler);
/* 0, -EBUSY when it runs, -ENODEV when no source works (see the reasons). */
int tiermem_sampler_start(struct tiermem_sampler *sampler);
void tiermem_sampler_stop(struct tiermem_sampler *sampler);
/* -EINVAL when out of range, then nothing has changed. */
int tiermem_sampler_set_period(struct tiermem_sampler *sampler, u32 period);
int tiermem_sampler_set_budget(struct tiermem_sampler *sampler, u32 permille);
/* -EBUSY while it runs. */
int tiermem_sampler_set_event(struct tiermem_sampler *sampler,
			      enum tiermem_event event);
const char *tiermem_event_name(enum tiermem_event event);
/* Of the nth source, in the order in which they are tried, and of reasons[]. */
const char *tiermem_sampler_source_name(unsigned int nth);
/*
 * Take up to @max records of @cpu's ring. One consumer at a time. Returns how
 * many; 0 when the ring is empty or sampling is off. May sleep.
 */
unsigned int tiermem_sampler_read(struct tiermem_sampler *sampler,
				  unsigned int cpu,
				  struct tiermem_record *records,
				  unsigned int max);
/*
 * For the consumer, a kernel thread: until a ring has TIERMEM_RING_WAKE unread records
 * (true), the thread is to stop, or @timeout jiffies have passed. A guest that makes no
 * records wakes nobody.
 */
bool tiermem_sampler_wait(struct tiermem_sampler *sampler, unsigned long timeout);
void tiermem_sampler_stats(struct tiermem_sampler *sampler,
			   struct tiermem_sampler_stats *sum);

/* For sources: say in one line why this one cannot be used. */
__printf(3, 4)
void tiermem_sampler_reason(struct tiermem_sampler *sampler,
			    const struct tiermem_source *source,
			    const char *format, ...);

/*
 * For sources with a perf event on each CPU (NULL where there is none): give all
 * of them a new period, in their own unit. 0, or the error of one that refused.
 */
int tiermem_sampler_perf_period(struct perf_event * __percpu *events,
				u64 period);

/* Room left in a ring, as its producer sees it. */
static inline u32 tiermem_ring_room(const struct tiermem_ring *ring)
{
	return TIERMEM_RING_RECORDS - (ring->head - READ_ONCE(ring->tail));
}

/* The nth record after the published ones; the caller has checked the room. */
static inline struct tiermem_record *tiermem_ring_slot(struct tiermem_ring *ring,
						       u32 nth)
{
	return &ring->records[(ring->head + nth) & (TIERMEM_RING_RECORDS - 1)];
}

/* Hand over the next @nr. Interrupts are off, or this is an NMI. */
static inline void tiermem_sampler_publish(struct tiermem_sampler_cpu *cpu, u32 nr)
{
	struct tiermem_ring *ring = &cpu->ring;

	/* After the records that it counts. */
	smp_store_release(&ring->head, ring->head + nr);
	cpu->stats.records += nr;
	if (TIERMEM_RING_RECORDS - tiermem_ring_room(ring) < TIERMEM_RING_WAKE)
		return;
	/* Pairs with the one in tiermem_sampler_wait(). */
	smp_mb();
	if (READ_ONCE(cpu->sampler->filled))
		return;
	WRITE_ONCE(cpu->sampler->filled, true);
	cpu->stats.wakes++;
	irq_work_queue(&cpu->wake);
}

/* Put one record, or count it as lost. Interrupts are off. */
static inline void tiermem_sampler_put(struct tiermem_sampler_cpu *cpu,
				       const struct tiermem_record *record)
{
	if (!tiermem_ring_room(&cpu->ring)) {
		cpu->stats.lost_ring++;
		return;
	}
	*tiermem_ring_slot(&cpu->ring, 0) = *record;
	tiermem_sampler_publish(cpu, 1);
}

#endif /* TIERMEM_SAMPLER_H */
