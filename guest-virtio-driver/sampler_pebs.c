// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source: Intel PEBS, read in bulk from the CPU's debug store area.
 *
 * The kernel's own perf programs one counter per CPU. With a fixed period and
 * nothing in the sample that needs the kernel's help, records pile up in the
 * buffer until it is nearly full or another task gets the CPU; then perf drains
 * them. For a counter without a ring buffer it drops all but the last, so they
 * are read here, before perf does:
 *
 *  - in an NMI handler ahead of perf's, when the buffer is nearly full;
 *  - at the tracepoint sched_switch, which comes before perf's own hook.
 *
 * At both places "current" is the task that made the records, and they cost no
 * interrupt each. The address space is the one that the task had when it got the
 * CPU: a task that exits has lost it by now. One that has executed another program
 * has changed it in between, and which of the records are older cannot be told:
 * they are dropped and counted.
 * Records of other users of PEBS share the buffer; the counter
 * mask of a record tells them apart, and they are left alone.
 *
 * Where ours is the only counter, the buffer is left empty: perf would look at
 * each record again, at 20 times the cost, to drop it. Else a cursor per CPU says
 * how far the buffer was read. perf empties the buffer
 * behind our back, and it may have filled again beyond the cursor since; the
 * time stamp of the last record read tells.
 *
 * Layouts: Intel SDM volume 3B, "Processor Event-Based Sampling"; struct
 * debug_store of arch/x86/events/intel (one page of the area is enough here).
 */
#include <linux/perf_event.h>
#include <linux/sched/clock.h>
#include <linux/tracepoint.h>
#include <asm/msr.h>
#include <asm/nmi.h>
#include <asm/processor.h>

#include "sampler.h"

/* Their names before 6.16. */
#ifndef TIERMEM_HAVE_MSRQ
#define rdmsrq(msr, value) rdmsrl(msr, value)
#define rdmsrq_safe(msr, value) rdmsrl_safe(msr, value)
#define wrmsrq(msr, value) wrmsrl(msr, value)
#endif

/* Words of the debug store area. */
#define DS_PEBS_BASE 4
#define DS_PEBS_INDEX 5
#define DS_PEBS_MAXIMUM 6

/* Words of a record of format 3 (Skylake); they all have the same size. */
#define FMT3_STATUS 18
#define FMT3_ADDR 19
#define FMT3_LATENCY 21
#define FMT3_IP 22
#define FMT3_TSC 24
#define FMT3_SIZE (25 * sizeof(u64))

/* Words of the basic group, format 4 and later, and of the memory group. */
#define FMT4_FORMAT 0
#define FMT4_IP 1
#define FMT4_COUNTERS 2
#define FMT4_TSC 3
#define FMT4_ADDR 4
#define FMT4_LATENCY 6
#define FMT4_HAS_MEMORY BIT_ULL(0)
#define FMT4_SIZE_SHIFT 48
/* The basic group alone; with the memory group twice as much. */
#define FMT4_SIZE_MIN (4 * sizeof(u64))

/* Larger than any layout of the manual: something else than records. */
#define RECORD_SIZE_MAX 4096

#define PEBS_FORMAT_SHIFT 8

struct pebs_cpu {
	struct perf_event *event;	/* NULL: leave this CPU alone */
	u64 *ds;			/* the debug store area */
	u64 cursor;			/* address of the first unread record */
	u64 last_record;		/* address of the last one read; 0: none */
	u64 last_tsc;			/* its time stamp */
	const void *mm;			/* of the task that has the CPU */
	int idx;			/* the counter's number when last seen */
	bool busy;			/* an NMI must not read inside a read */
};

static DEFINE_PER_CPU(struct pebs_cpu, pebs_cpus);
static struct tiermem_sampler *pebs_sampler;
static bool adaptive;			/* format 4 and later */
/*
 * Never enabled. perf switches its hook into the scheduler on for the first
 * such counter and off after the last; that takes the CPU hotplug lock, which
 * must not happen in a hotplug callback.
 */
static struct perf_event *keeper;
static struct tracepoint *sched_switch;

/* ---- Records ---- */

static u64 record_tsc(const u64 *record)
{
	return record[adaptive ? FMT4_TSC : FMT3_TSC];
}

/* Bytes of a record, or 0 if it cannot be one. */
static u64 record_size(const u64 *record)
{
	u64 size;

	if (!adaptive)
		return FMT3_SIZE;
	size = record[FMT4_FORMAT] >> FMT4_SIZE_SHIFT;
	return size < FMT4_SIZE_MIN || size > RECORD_SIZE_MAX ? 0 : size;
}

/* Made by our counter, and with an address (all groups of a record are one choice). */
static bool record_is_ours(const u64 *record, u64 counter)
{
	if (!adaptive)
		return record[FMT3_STATUS] & counter;
	return (record[FMT4_COUNTERS] & counter) &&
	       (record[FMT4_FORMAT] & FMT4_HAS_MEMORY);
}

static void copy_record(struct tiermem_record *to, const u64 *record,
			const void *mm)
{
	to->addr = record[adaptive ? FMT4_ADDR : FMT3_ADDR];
	to->ip = record[adaptive ? FMT4_IP : FMT3_IP];
	to->latency = record[adaptive ? FMT4_LATENCY : FMT3_LATENCY];
	to->mm = mm;
	to->tgid = current->tgid;
}

/* Where unread records begin. */
static u64 first_unread(const struct pebs_cpu *cpu, u64 base, u64 index)
{
	if (!cpu->last_record || cpu->cursor > index || cpu->cursor < base)
		return base;
	/* Emptied and filled again beyond the cursor? */
	return record_tsc((const u64 *)cpu->last_record) == cpu->last_tsc ?
	       cpu->cursor : base;
}

static bool area_is_sane(u64 base, u64 index, u64 maximum)
{
	return base && IS_ALIGNED(base | index, sizeof(u64)) &&
	       base <= index && index <= maximum;
}

/* Copy the records between two addresses; returns where it stopped. */
static u64 copy_records(struct pebs_cpu *cpu, struct tiermem_sampler_cpu *out,
			u64 at, u64 index)
{
	const u64 counter = BIT_ULL(cpu->idx);
	u32 room = tiermem_ring_room(&out->ring), nr = 0;
	u64 size;

	for (; at < index; at += size) {
		const u64 *record = (const u64 *)at;

		size = index - at < FMT4_SIZE_MIN ? 0 : record_size(record);
		if (!size || size > index - at) {
			out->stats.lost_source++;
			at = index;
			break;
		}
		cpu->last_record = at;
		if (!record_is_ours(record, counter))
			out->stats.foreign++;
		else if (nr == room)
			out->stats.lost_ring++;
		else
			copy_record(tiermem_ring_slot(&out->ring, nr++), record,
				    cpu->mm);
	}
	tiermem_sampler_publish(out, nr);
	return at;
}

/* Pass over the records of a task whose address space is not known. */
static u64 drop_records(struct tiermem_sampler_cpu *out, u64 at, u64 index)
{
	u64 size;

	for (; at < index; at += size) {
		size = index - at < FMT4_SIZE_MIN ? 0 :
		       record_size((const u64 *)at);
		if (!size)
			break;
		out->stats.lost_source++;
	}
	return index;
}

/* The task still has the address space with which it got this CPU, or exits. */
static bool owner_is_known(struct pebs_cpu *cpu)
{
	const void *owner = cpu->mm;

	if (!current->mm || current->mm == owner)
		return owner;
	cpu->mm = current->mm;
	/* Unknown only until the first switch after the start. */
	return !owner;
}

/*
 * Nobody else makes records here. Ours are made in user mode only, so none can
 * come while this runs.
 */
static bool buffer_is_ours(const struct pebs_cpu *cpu)
{
	u64 enabled;

	rdmsrq(MSR_IA32_PEBS_ENABLE, enabled);
	/* Before adaptive records, a bit above says that latency is recorded. */
	if (!adaptive)
		enabled &= ~(BIT_ULL(cpu->idx) << 32);
	return enabled == BIT_ULL(cpu->idx);
}

/* Read what is new on this CPU. Interrupts are off, or this is an NMI. */
static void read_buffer(struct pebs_cpu *cpu)
{
	const u64 base = READ_ONCE(cpu->ds[DS_PEBS_BASE]);
	const u64 index = READ_ONCE(cpu->ds[DS_PEBS_INDEX]);
	struct tiermem_sampler_cpu *out = this_cpu_ptr(pebs_sampler->cpus);
	const int idx = READ_ONCE(cpu->event->hw.idx);
	const u64 foreign = out->stats.foreign;
	u64 start, at;

	if (index == base)
		return;
	if (!area_is_sane(base, index, READ_ONCE(cpu->ds[DS_PEBS_MAXIMUM]))) {
		out->stats.lost_source++;
		return;
	}
	at = first_unread(cpu, base, index);
	if (at == index)
		return;
	/* -1 while perf has taken the counter away: it was the last one. */
	if (idx >= 0 && idx < 64)
		cpu->idx = idx;
	start = local_clock();
	if (owner_is_known(cpu)) {
		cpu->cursor = copy_records(cpu, out, at, index);
		if (cpu->last_record)
			cpu->last_tsc = record_tsc((const u64 *)cpu->last_record);
	} else {
		cpu->cursor = drop_records(out, at, index);
		cpu->last_record = 0;
	}
	if (at == base && out->stats.foreign == foreign && buffer_is_ours(cpu)) {
		WRITE_ONCE(cpu->ds[DS_PEBS_INDEX], base);
		cpu->last_record = 0;
	}
	out->stats.drains++;
	out->stats.time_ns += local_clock() - start;
}

static void read_if_ours(void)
{
	struct pebs_cpu *cpu = this_cpu_ptr(&pebs_cpus);

	if (!READ_ONCE(cpu->event) || cpu->busy)
		return;
	cpu->busy = true;
	barrier();
	read_buffer(cpu);
	barrier();
	cpu->busy = false;
}

static int pebs_nmi(unsigned int type, struct pt_regs *regs)
{
	read_if_ours();
	return NMI_DONE;
}

static void pebs_switch(void *data, bool preempt, struct task_struct *prev,
			struct task_struct *next, unsigned int prev_state)
{
	read_if_ours();
	/* Kernel threads make no user records. */
	this_cpu_write(pebs_cpus.mm, next->mm);
}

/* ---- CPUs ---- */

/* perf wants one; what it is called with has been read already. */
static void pebs_overflow(struct perf_event *event,
			  struct perf_sample_data *data, struct pt_regs *regs)
{
}

static void fill_attr(const struct tiermem_sampler *sampler,
		      struct perf_event_attr *attr)
{
	*attr = (struct perf_event_attr) {
		.type = PERF_TYPE_RAW,
		.size = sizeof(*attr),
		.sample_period = sampler->period,
		.sample_type = PERF_SAMPLE_ADDR | PERF_SAMPLE_IP |
			       PERF_SAMPLE_TID,
		.precise_ip = 2,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	switch (sampler->event) {
	case TIERMEM_EVENT_LOADS:	/* MEM_INST_RETIRED.ALL_LOADS */
		attr->config = 0x81d0;
		break;
	case TIERMEM_EVENT_STORES:	/* MEM_INST_RETIRED.ALL_STORES */
		attr->config = 0x82d0;
		break;
	default:			/* MEM_TRANS_RETIRED.LOAD_LATENCY */
		attr->config = 0x01cd;
		attr->config1 = TIERMEM_LOAD_LATENCY;
		break;
	}
}

/*
 * perf writes the choice of groups only when it differs from the last one, and
 * does not know that a CPU lost it in suspend to RAM: all records would come
 * without address from then on. Runs on the event's CPU.
 */
static void restore_groups(struct perf_event *event)
{
	u64 groups;

	/* While the counter has no place, the choice may rightly be another. */
	if (!adaptive || READ_ONCE(event->hw.idx) < 0)
		return;
	rdmsrq(MSR_PEBS_DATA_CFG, groups);
	if (groups & PEBS_DATACFG_MEMINFO)
		return;
	/* perf empties the buffer of the records of the other layout. */
	perf_event_disable(event);
	wrmsrq(MSR_PEBS_DATA_CFG, PEBS_DATACFG_MEMINFO);
	perf_event_enable(event);
}

static int pebs_cpu_online(struct tiermem_sampler *sampler, unsigned int cpu)
{
	struct pebs_cpu *pebs = per_cpu_ptr(&pebs_cpus, cpu);
	struct perf_event_attr attr;
	struct perf_event *event;
	u64 ds;

	rdmsrq(MSR_IA32_DS_AREA, ds);
	if (!ds)
		return -ENODEV;
	fill_attr(sampler, &attr);
	event = perf_event_create_kernel_counter(&attr, cpu, NULL,
						 pebs_overflow, NULL);
	if (IS_ERR(event))
		return PTR_ERR(event);
	restore_groups(event);
	pebs->ds = (u64 *)ds;
	pebs->last_record = 0;
	pebs->mm = NULL;
	pebs->idx = max(event->hw.idx, 0);
	/* The handlers may run from here on. */
	smp_store_release(&pebs->event, event);
	return 0;
}

/*
 * Runs on the CPU, in its own thread: none of the handlers is in the middle of a read,
 * and they look only at this CPU's event. Whoever sets periods is kept out by the
 * sampler's lock, or by that of CPU hotplug.
 */
static void pebs_cpu_offline(struct tiermem_sampler *sampler, unsigned int cpu)
{
	struct pebs_cpu *pebs = per_cpu_ptr(&pebs_cpus, cpu);
	struct perf_event *event = pebs->event;

	if (!event)
		return;
	WRITE_ONCE(pebs->event, NULL);
	perf_event_release_kernel(event);
}

static int pebs_set_period(struct tiermem_sampler *sampler, u32 period)
{
	return tiermem_sampler_perf_period(&pebs_cpus.event, period);
}

/* ---- Starting and stopping ---- */

static void find_sched_switch(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "sched_switch"))
		sched_switch = tp;
}

static int refuse(struct tiermem_sampler *sampler, int error, const char *why)
{
	tiermem_sampler_reason(sampler, &tiermem_source_pebs, "%s (%d)", why,
			       error);
	return error;
}

static int read_format(struct tiermem_sampler *sampler)
{
	u64 capabilities;
	unsigned int format;

	if (boot_cpu_data.x86_vendor != X86_VENDOR_INTEL ||
	    !boot_cpu_has(X86_FEATURE_DS) || !boot_cpu_has(X86_FEATURE_PDCM))
		return refuse(sampler, -ENODEV, "the CPU has no PEBS");
	if (rdmsrq_safe(MSR_IA32_PERF_CAPABILITIES, &capabilities))
		return refuse(sampler, -ENODEV, "PERF_CAPABILITIES is missing");
	format = (capabilities & PERF_CAP_PEBS_FORMAT) >> PEBS_FORMAT_SHIFT;
	if (format < 3 || (format > 3 && !(capabilities & PERF_CAP_PEBS_BASELINE)) ||
	    format > 5)
		return refuse(sampler, -ENODEV, "unknown format of PEBS records");
	adaptive = format > 3;
	return 0;
}

/* Also tells whether the kernel gives such counters at all. */
static int create_keeper(struct tiermem_sampler *sampler)
{
	struct perf_event_attr attr;
	struct perf_event *event;

	fill_attr(sampler, &attr);
	attr.disabled = 1;
	event = perf_event_create_kernel_counter(&attr, raw_smp_processor_id(),
						 NULL, pebs_overflow, NULL);
	if (IS_ERR(event))
		return refuse(sampler, PTR_ERR(event),
			      "the kernel refuses the counter");
	keeper = event;
	return 0;
}

static int hook_in(struct tiermem_sampler *sampler)
{
	int ret;

	for_each_kernel_tracepoint(find_sched_switch, NULL);
	if (!sched_switch)
		return refuse(sampler, -ENOENT, "no tracepoint sched_switch");
	ret = register_nmi_handler(NMI_LOCAL, pebs_nmi, NMI_FLAG_FIRST,
				   "virtio_tiermem");
	if (ret)
		return refuse(sampler, ret, "the NMI handler is refused");
	ret = tracepoint_probe_register(sched_switch, pebs_switch, NULL);
	if (ret) {
		unregister_nmi_handler(NMI_LOCAL, "virtio_tiermem");
		return refuse(sampler, ret, "sched_switch is refused");
	}
	return 0;
}

static int pebs_start(struct tiermem_sampler *sampler)
{
	int ret = read_format(sampler) ?: create_keeper(sampler);

	if (ret)
		return ret;
	pebs_sampler = sampler;
	ret = hook_in(sampler);
	if (ret)
		perf_event_release_kernel(keeper);
	return ret;
}

static void pebs_stop(struct tiermem_sampler *sampler)
{
	tracepoint_probe_unregister(sched_switch, pebs_switch, NULL);
	tracepoint_synchronize_unregister();
	/* Waits until no CPU is in the handler. */
	unregister_nmi_handler(NMI_LOCAL, "virtio_tiermem");
	perf_event_release_kernel(keeper);
	pebs_sampler = NULL;
}

const struct tiermem_source tiermem_source_pebs = {
	.name = "pebs",
	.start = pebs_start,
	.stop = pebs_stop,
	.cpu_online = pebs_cpu_online,
	.cpu_offline = pebs_cpu_offline,
	.set_period = pebs_set_period,
};
