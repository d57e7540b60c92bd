/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.h - an event at every decision. Sizes are in pages.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tiermem

#if !defined(TIERMEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TIERMEM_TRACE_H

#include <linux/tracepoint.h>

/* The host has set a quota (or the driver has read the first one). */
TRACE_EVENT(tiermem_quota,
	TP_PROTO(unsigned int tier, unsigned long requested,
		 unsigned long actual),
	TP_ARGS(tier, requested, actual),
	TP_STRUCT__entry(
		__field(unsigned int, tier)
		__field(unsigned long, requested)
		__field(unsigned long, actual)
	),
	TP_fast_assign(
		__entry->tier = tier;
		__entry->requested = requested;
		__entry->actual = actual;
	),
	TP_printk("tier=%u requested=%lu actual=%lu", __entry->tier,
		  __entry->requested, __entry->actual)
);

/* Pages were taken out of the kernel; effort as in enum tiermem_effort. */
TRACE_EVENT(tiermem_take,
	TP_PROTO(unsigned int tier, int effort, unsigned long want,
		 unsigned long taken, unsigned int ranges),
	TP_ARGS(tier, effort, want, taken, ranges),
	TP_STRUCT__entry(
		__field(unsigned int, tier)
		__field(int, effort)
		__field(unsigned long, want)
		__field(unsigned long, taken)
		__field(unsigned int, ranges)
	),
	TP_fast_assign(
		__entry->tier = tier;
		__entry->effort = effort;
		__entry->want = want;
		__entry->taken = taken;
		__entry->ranges = ranges;
	),
	TP_printk("tier=%u effort=%s want=%lu taken=%lu ranges=%u",
		  __entry->tier,
		  __print_symbolic(__entry->effort, { 0, "free" },
				   { 1, "move" }, { 2, "reclaim" }),
		  __entry->want, __entry->taken, __entry->ranges)
);

/* The device has answered; type and status as in virtio_tiermem.h. */
TRACE_EVENT(tiermem_request,
	TP_PROTO(unsigned int tier, u16 type, u32 flags, unsigned int ranges,
		 unsigned long pages, u16 status, u32 done),
	TP_ARGS(tier, type, flags, ranges, pages, status, done),
	TP_STRUCT__entry(
		__field(unsigned int, tier)
		__field(u16, type)
		__field(u32, flags)
		__field(unsigned int, ranges)
		__field(unsigned long, pages)
		__field(u16, status)
		__field(u32, done)
	),
	TP_fast_assign(
		__entry->tier = tier;
		__entry->type = type;
		__entry->flags = flags;
		__entry->ranges = ranges;
		__entry->pages = pages;
		__entry->status = status;
		__entry->done = done;
	),
	TP_printk("tier=%u type=%u flags=0x%x ranges=%u pages=%lu status=%u done=%u",
		  __entry->tier, __entry->type, __entry->flags, __entry->ranges,
		  __entry->pages, __entry->status, __entry->done)
);

/*
 * A tier's worker has changed its state (enum tiermem_state); wait_ms until it
 * tries again.
 */
TRACE_EVENT(tiermem_state,
	TP_PROTO(unsigned int tier, int state, unsigned int wait_ms, int error),
	TP_ARGS(tier, state, wait_ms, error),
	TP_STRUCT__entry(
		__field(unsigned int, tier)
		__field(int, state)
		__field(unsigned int, wait_ms)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->tier = tier;
		__entry->state = state;
		__entry->wait_ms = wait_ms;
		__entry->error = error;
	),
	TP_printk("tier=%u state=%s wait=%ums error=%d", __entry->tier,
		  __print_symbolic(__entry->state, { 0, "idle" },
				   { 1, "surrendering" }, { 2, "reclaiming" },
				   { 3, "waiting" }, { 4, "pressure" },
				   { 5, "broken" }),
		  __entry->wait_ms, __entry->error)
);

/* The guest was out of memory and got pages back. */
TRACE_EVENT(tiermem_oom,
	TP_PROTO(unsigned int tier, unsigned long want, unsigned long reclaimed),
	TP_ARGS(tier, want, reclaimed),
	TP_STRUCT__entry(
		__field(unsigned int, tier)
		__field(unsigned long, want)
		__field(unsigned long, reclaimed)
	),
	TP_fast_assign(
		__entry->tier = tier;
		__entry->want = want;
		__entry->reclaimed = reclaimed;
	),
	TP_printk("tier=%u want=%lu reclaimed=%lu", __entry->tier,
		  __entry->want, __entry->reclaimed)
);

#endif /* TIERMEM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
