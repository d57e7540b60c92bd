// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source: AMD IBS, through the kernel's ibs_op PMU. One interrupt a sample.
 *
 * Compiled and reviewed; not tested on hardware.
 *
 * IBS counts micro-operations, not accesses: most samples have no data address
 * and are dropped. A period of N operations samples about one access in 3 N.
 */
#include <linux/kernel_read_file.h>
#include <linux/perf_event.h>
#include <linux/sched/clock.h>
#include <linux/vmalloc.h>
#include <asm/processor.h>
#include <asm/ptrace.h>

#include "sampler.h"

#define IBS_TYPE_FILE "/sys/bus/event_source/devices/ibs_op/type"
/* IBS takes periods in steps of 16 operations. */
#define IBS_PERIOD_STEP 16
/* Count dispatched operations rather than cycles (AMD APM volume 2, IbsOpCtl). */
#define IBS_COUNT_OPS BIT_ULL(19)

static DEFINE_PER_CPU(struct perf_event *, ibs_events);
static struct tiermem_sampler *ibs_sampler;
static u32 ibs_type;

static int refuse(struct tiermem_sampler *sampler, int error, const char *why)
{
	tiermem_sampler_reason(sampler, &tiermem_source_ibs, "%s (%d)", why,
			       error);
	return error;
}

/* The number of a dynamic PMU is not exported, but sysfs shows it. */
static int read_type(struct tiermem_sampler *sampler)
{
	char text[16] = "";
	void *buffer = text;
	ssize_t len;

	len = kernel_read_file_from_path(IBS_TYPE_FILE, 0, &buffer,
					 sizeof(text) - 1, NULL,
					 READING_POLICY);
	if (len <= 0 || kstrtou32(strim(text), 10, &ibs_type))
		return refuse(sampler, -ENODEV, "the kernel has no ibs_op PMU");
	return 0;
}

/* In NMI context, on the CPU that took the sample. */
static void ibs_overflow(struct perf_event *event,
			 struct perf_sample_data *data, struct pt_regs *regs)
{
	struct tiermem_sampler_cpu *out = this_cpu_ptr(ibs_sampler->cpus);
	const u64 start = local_clock();

	/* perf writes the address of micro-operations that have one, and says so. */
	if (user_mode(regs) && current->mm && (data->sample_flags & PERF_SAMPLE_ADDR)) {
		const struct tiermem_record record = {
			.addr = data->addr,
			.ip = instruction_pointer(regs),
			.mm = current->mm,
			.tgid = current->tgid,
		};

		tiermem_sampler_put(out, &record);
	}
	out->stats.drains++;
	out->stats.time_ns += local_clock() - start;
}

static u64 ibs_period(u32 period)
{
	return roundup(period, IBS_PERIOD_STEP);
}

static int ibs_cpu_online(struct tiermem_sampler *sampler, unsigned int cpu)
{
	struct perf_event_attr attr = {
		.type = ibs_type,
		.size = sizeof(attr),
		.config = IBS_COUNT_OPS,
		.sample_period = ibs_period(sampler->period),
		.sample_type = PERF_SAMPLE_ADDR | PERF_SAMPLE_IP,
	};
	struct perf_event *event;

	event = perf_event_create_kernel_counter(&attr, cpu, NULL, ibs_overflow,
						 NULL);
	if (IS_ERR(event))
		return PTR_ERR(event);
	per_cpu(ibs_events, cpu) = event;
	return 0;
}

static void ibs_cpu_offline(struct tiermem_sampler *sampler, unsigned int cpu)
{
	struct perf_event *event = per_cpu(ibs_events, cpu);

	per_cpu(ibs_events, cpu) = NULL;
	if (event)
		perf_event_release_kernel(event);
}

static int ibs_set_period(struct tiermem_sampler *sampler, u32 period)
{
	return tiermem_sampler_perf_period(&ibs_events, ibs_period(period));
}

static int ibs_start(struct tiermem_sampler *sampler)
{
	if (boot_cpu_data.x86_vendor != X86_VENDOR_AMD ||
	    !boot_cpu_has(X86_FEATURE_IBS))
		return refuse(sampler, -ENODEV, "the CPU has no IBS");
	ibs_sampler = sampler;
	return read_type(sampler);
}

static void ibs_stop(struct tiermem_sampler *sampler)
{
	ibs_sampler = NULL;
}

const struct tiermem_source tiermem_source_ibs = {
	.name = "ibs",
	.start = ibs_start,
	.stop = ibs_stop,
	.cpu_online = ibs_cpu_online,
	.cpu_offline = ibs_cpu_offline,
	.set_period = ibs_set_period,
};
