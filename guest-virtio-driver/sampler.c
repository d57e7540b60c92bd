// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sampler: chooses a source, follows CPUs that come and go, keeps the cost
 * within its budget, and hands records to the one consumer.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/perf_event.h>
#include <linux/slab.h>

#include "sampler.h"

#define BUDGET_INTERVAL HZ
/* The period goes down again when less than 1/4 of the budget is used. */
#define BUDGET_SLACK 4

static const struct tiermem_source * const sources[TIERMEM_NR_SOURCES] = {
	&tiermem_source_pebs,
	&tiermem_source_ibs,
	&tiermem_source_access_bits,
};

const char *tiermem_event_name(enum tiermem_event event)
{
	static const char * const names[TIERMEM_NR_EVENTS] = {
		[TIERMEM_EVENT_LOAD_LATENCY] = "load-latency",
		[TIERMEM_EVENT_LOADS] = "loads",
		[TIERMEM_EVENT_STORES] = "stores",
	};

	return names[event];
}

const char *tiermem_sampler_source_name(unsigned int nth)
{
	return sources[nth]->name;
}

void tiermem_sampler_reason(struct tiermem_sampler *sampler,
			    const struct tiermem_source *source,
			    const char *format, ...)
{
	va_list args;
	int i;

	for (i = 0; i < TIERMEM_NR_SOURCES; i++) {
		if (sources[i] != source)
			continue;
		va_start(args, format);
		vsnprintf(sampler->reasons[i], TIERMEM_REASON_LEN, format, args);
		va_end(args);
	}
}

/* ---- Consumer ---- */

static unsigned int read_ring(struct tiermem_ring *ring, struct tiermem_record *records,
			      unsigned int max)
{
	u32 tail = ring->tail;
	u32 nr, i;

	/* The records that head counts were written before it. */
	nr = min(smp_load_acquire(&ring->head) - tail, max);
	for (i = 0; i < nr; i++)
		records[i] = ring->records[(tail + i) &
					   (TIERMEM_RING_RECORDS - 1)];
	/* The producer may overwrite the slots only after they were read. */
	smp_store_release(&ring->tail, tail + nr);
	return nr;
}

unsigned int tiermem_sampler_read(struct tiermem_sampler *sampler,
				  unsigned int cpu,
				  struct tiermem_record *records,
				  unsigned int max)
{
	unsigned int nr = 0;

	/* Whoever has started the sampler may stop it meanwhile, which frees the rings. */
	mutex_lock(&sampler->lock);
	if (sampler->source)
		nr = read_ring(&per_cpu_ptr(sampler->cpus, cpu)->ring, records, max);
	mutex_unlock(&sampler->lock);
	return nr;
}

static void wake_consumer(struct irq_work *work)
{
	struct tiermem_sampler_cpu *cpu = container_of(work, struct tiermem_sampler_cpu, wake);

	wake_up(&cpu->sampler->waiting);
}

bool tiermem_sampler_wait(struct tiermem_sampler *sampler, unsigned long timeout)
{
	bool filled;

	wait_event_idle_timeout(sampler->waiting,
				READ_ONCE(sampler->filled) || kthread_should_stop(), timeout);
	filled = READ_ONCE(sampler->filled);
	WRITE_ONCE(sampler->filled, false);
	/* The rings are read after that; what comes too late to be seen wakes again. */
	smp_mb();
	return filled;
}

void tiermem_sampler_stats(struct tiermem_sampler *sampler,
			   struct tiermem_sampler_stats *sum)
{
	unsigned int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct tiermem_sampler_stats *stats =
			&per_cpu_ptr(sampler->cpus, cpu)->stats;

		sum->records += READ_ONCE(stats->records);
		sum->lost_ring += READ_ONCE(stats->lost_ring);
		sum->lost_source += READ_ONCE(stats->lost_source);
		sum->foreign += READ_ONCE(stats->foreign);
		sum->drains += READ_ONCE(stats->drains);
		sum->wakes += READ_ONCE(stats->wakes);
		sum->time_ns += READ_ONCE(stats->time_ns);
		sum->flushes += READ_ONCE(stats->flushes);
		sum->ptes += READ_ONCE(stats->ptes);
	}
}

/* ---- Period and budget ---- */

int tiermem_sampler_perf_period(struct perf_event * __percpu *events,
				u64 period)
{
	unsigned int cpu;
	int ret = 0;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct perf_event *event = *per_cpu_ptr(events, cpu);

		if (event)
			ret = perf_event_period(event, period) ?: ret;
	}
	cpus_read_unlock();
	return ret;
}

static void change_period(struct tiermem_sampler *sampler, u32 period)
{
	lockdep_assert_held(&sampler->lock);
	if (period == sampler->period)
		return;
	if (sampler->source && (!sampler->source->set_period ||
				sampler->source->set_period(sampler, period)))
		return;
	WRITE_ONCE(sampler->period, period);
}

int tiermem_sampler_set_period(struct tiermem_sampler *sampler, u32 period)
{
	if (period < TIERMEM_PERIOD_MIN || period > TIERMEM_PERIOD_MAX)
		return -EINVAL;
	mutex_lock(&sampler->lock);
	WRITE_ONCE(sampler->wanted_period, period);
	change_period(sampler, period);
	mutex_unlock(&sampler->lock);
	return 0;
}

int tiermem_sampler_set_budget(struct tiermem_sampler *sampler, u32 permille)
{
	if (permille > 1000)
		return -EINVAL;
	WRITE_ONCE(sampler->cpu_budget, permille);
	return 0;
}

int tiermem_sampler_set_event(struct tiermem_sampler *sampler,
			      enum tiermem_event event)
{
	int ret = 0;

	if (event >= TIERMEM_NR_EVENTS)
		return -EINVAL;
	mutex_lock(&sampler->lock);
	if (sampler->source)
		ret = -EBUSY;
	else
		sampler->event = event;
	mutex_unlock(&sampler->lock);
	return ret;
}

/* What is spent from now on is compared with the time from now on. */
static void begin_budget(struct tiermem_sampler *sampler)
{
	struct tiermem_sampler_stats stats;

	tiermem_sampler_stats(sampler, &stats);
	sampler->budget_time_ns = stats.time_ns;
	sampler->budget_at_ns = ktime_get_ns();
}

/* Double the period while sampling costs too much; halve it when it is cheap. */
static void budget_work(struct work_struct *work)
{
	struct tiermem_sampler *sampler = container_of(to_delayed_work(work),
						       struct tiermem_sampler,
						       budget_work);
	const u64 used_before = sampler->budget_time_ns, before = sampler->budget_at_ns;
	u64 budget_ns, used_ns;
	u32 period;

	begin_budget(sampler);
	used_ns = sampler->budget_time_ns - used_before;
	/* Not of BUDGET_INTERVAL: a sleeping CPU's deferrable timer comes late. */
	budget_ns = (sampler->budget_at_ns - before) / 1000 * READ_ONCE(sampler->cpu_budget);
	mutex_lock(&sampler->lock);
	period = sampler->period;
	if (used_ns > budget_ns)
		period = min_t(u64, (u64)period * 2, TIERMEM_PERIOD_MAX);
	else if (used_ns < budget_ns / BUDGET_SLACK)
		period = max(period / 2, sampler->wanted_period);
	/* Odd, so that it does not beat with the strides of loops. */
	if (sampler->source)
		change_period(sampler, period | 1);
	mutex_unlock(&sampler->lock);
	schedule_delayed_work(&sampler->budget_work, BUDGET_INTERVAL);
}

/* ---- CPUs ---- */

/* Hotplug callbacks have no argument; there is one sampler at a time. */
static struct tiermem_sampler *hotplug_sampler;

static int sampler_cpu_online(unsigned int cpu)
{
	struct tiermem_sampler *sampler = hotplug_sampler;

	/* A CPU without a counter is sampled less, not a reason to refuse it. */
	if (sampler->source->cpu_online &&
	    sampler->source->cpu_online(sampler, cpu))
		pr_warn_ratelimited("virtio_tiermem: no %s on CPU %u\n",
				    sampler->source->name, cpu);
	return 0;
}

static int sampler_cpu_offline(unsigned int cpu)
{
	struct tiermem_sampler *sampler = hotplug_sampler;

	if (sampler->source->cpu_offline)
		sampler->source->cpu_offline(sampler, cpu);
	return 0;
}

/* ---- Starting and stopping ---- */

static void free_rings(struct tiermem_sampler *sampler)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct tiermem_ring *ring = &per_cpu_ptr(sampler->cpus, cpu)->ring;

		kvfree(ring->records);
		ring->records = NULL;
	}
}

/* Nobody makes records any more. */
static void forget_wakes(struct tiermem_sampler *sampler)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu_ptr(sampler->cpus, cpu)->wake);
	WRITE_ONCE(sampler->filled, false);
}

static int alloc_rings(struct tiermem_sampler *sampler)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct tiermem_ring *ring = &per_cpu_ptr(sampler->cpus, cpu)->ring;

		ring->head = 0;
		ring->tail = 0;
		ring->records = kvcalloc(TIERMEM_RING_RECORDS,
					 sizeof(*ring->records), GFP_KERNEL);
		if (!ring->records) {
			free_rings(sampler);
			return -ENOMEM;
		}
	}
	return 0;
}

static int start_source(struct tiermem_sampler *sampler,
			const struct tiermem_source *source)
{
	int ret;

	sampler->period = sampler->wanted_period;
	ret = source->start(sampler);
	if (ret)
		return ret;
	sampler->source = source;
	hotplug_sampler = sampler;
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "virtio_tiermem:sampler",
				sampler_cpu_online, sampler_cpu_offline);
	if (ret < 0) {
		sampler->source = NULL;
		source->stop(sampler);
		return ret;
	}
	sampler->hotplug_state = ret;
	return 0;
}

static int start_first_source(struct tiermem_sampler *sampler)
{
	int i;

	for (i = 0; i < TIERMEM_NR_SOURCES; i++) {
		sampler->reasons[i][0] = '\0';
		if (!start_source(sampler, sources[i])) {
			pr_info_once("virtio_tiermem: sampling by %s\n",
				     sources[i]->name);
			return 0;
		}
		pr_info_once("virtio_tiermem: no sampling by %s: %s\n",
			     sources[i]->name, sampler->reasons[i]);
	}
	return -ENODEV;
}

int tiermem_sampler_start(struct tiermem_sampler *sampler)
{
	int ret;

	mutex_lock(&sampler->lock);
	ret = sampler->source ? -EBUSY : alloc_rings(sampler);
	if (!ret) {
		ret = start_first_source(sampler);
		if (ret)
			free_rings(sampler);
		else if (sampler->source->set_period) {
			begin_budget(sampler);
			schedule_delayed_work(&sampler->budget_work, BUDGET_INTERVAL);
		}
	}
	mutex_unlock(&sampler->lock);
	return ret;
}

void tiermem_sampler_stop(struct tiermem_sampler *sampler)
{
	cancel_delayed_work_sync(&sampler->budget_work);
	mutex_lock(&sampler->lock);
	if (sampler->source) {
		/* Takes every CPU off the source before it is stopped. */
		cpuhp_remove_state(sampler->hotplug_state);
		sampler->source->stop(sampler);
		sampler->source = NULL;
		forget_wakes(sampler);
		free_rings(sampler);
	}
	mutex_unlock(&sampler->lock);
}

static void init_cpu(struct tiermem_sampler *sampler, struct tiermem_sampler_cpu *cpu)
{
	cpu->sampler = sampler;
	init_irq_work(&cpu->wake, wake_consumer);
}

int tiermem_sampler_init(struct tiermem_sampler *sampler)
{
	unsigned int cpu;

	mutex_init(&sampler->lock);
	init_waitqueue_head(&sampler->waiting);
	/* A CPU that sleeps makes no records that could be too many. */
	INIT_DEFERRABLE_WORK(&sampler->budget_work, budget_work);
	sampler->wanted_period = TIERMEM_PERIOD_DEFAULT;
	sampler->period = TIERMEM_PERIOD_DEFAULT;
	sampler->cpu_budget = 5;
	sampler->cpus = alloc_percpu(struct tiermem_sampler_cpu);
	if (!sampler->cpus)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		init_cpu(sampler, per_cpu_ptr(sampler->cpus, cpu));
	return 0;
}

void tiermem_sampler_destroy(struct tiermem_sampler *sampler)
{
	tiermem_sampler_stop(sampler);
	free_percpu(sampler->cpus);
	sampler->cpus = NULL;
}
