/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.h - an event at every decision. Sizes are in pages.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tiermem

#if !defined(TIERMEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TIERMEM_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>

#include "policy/policy.h"

/* Of a tier: what somebody wants, and what there is or was got. */
DECLARE_EVENT_CLASS(tiermem_amount,
	TP_PROTO(unsigned int tier, unsigned long want, unsigned long got),
	TP_ARGS(tier, want, got),
	TP_STRUCT__entry(
		__field(unsigned int, tier)
		__field(unsigned long, want)
		__field(unsigned long, got)
	),
	TP_fast_assign(
		__entry->tier = tier;
		__entry->want = want;
		__entry->got = got;
	),
	TP_printk("tier=%u want=%lu got=%lu", __entry->tier, __entry->want,
		  __entry->got)
);

/* The host has set a quota (or the driver has read the first one). */
DEFINE_EVENT_PRINT(tiermem_amount, tiermem_quota,
	TP_PROTO(unsigned int tier, unsigned long want, unsigned long got),
	TP_ARGS(tier, want, got),
	TP_printk("tier=%u requested=%lu actual=%lu", __entry->tier,
		  __entry->want, __entry->got)
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
DEFINE_EVENT_PRINT(tiermem_amount, tiermem_oom,
	TP_PROTO(unsigned int tier, unsigned long want, unsigned long got),
	TP_ARGS(tier, want, got),
	TP_printk("tier=%u want=%lu reclaimed=%lu", __entry->tier,
		  __entry->want, __entry->got)
);

/* An epoch of the policy core: what it saw, and how many pages were moved. */
TRACE_EVENT(tiermem_epoch,
	TP_PROTO(const struct tm_epoch_result *result,
		 const struct tm_epoch_input *input, unsigned long moved,
		 u64 left_ns, u64 page_ns),
	TP_ARGS(result, input, moved, left_ns, page_ns),
	TP_STRUCT__entry(
		__field(u32, samples)
		__field(u32, period)
		__field(u32, fast_milli)
		__field(u32, uncertain_milli)
		__field(u32, changes)
		__field(u32, walks)
		__field(u64, quota)
		__field(u64, free)
		__field(u64, waiting)
		__field(u64, idle)
		__field(u64, planned)
		__field(unsigned long, moved)
		__field(u64, left_ns)
		__field(u64, page_ns)
	),
	TP_fast_assign(
		__entry->samples = result->samples;
		__entry->period = result->period;
		__entry->fast_milli = result->fast_milli;
		__entry->uncertain_milli = result->uncertain_milli;
		__entry->changes = result->changes;
		__entry->walks = result->walks;
		__entry->quota = input->fast_quota >> PAGE_SHIFT;
		__entry->free = input->fast_free >> PAGE_SHIFT;
		__entry->waiting = input->fast_waiting >> PAGE_SHIFT;
		__entry->idle = input->fast_idle >> PAGE_SHIFT;
		__entry->planned = result->idle_pages + result->idle_trades + result->promote_pages + result->demote_pages;
		__entry->moved = moved;
		__entry->left_ns = left_ns;
		__entry->page_ns = page_ns;
	),
	TP_printk("samples=%u period=%u fast=%u/1000 uncertain=%u/1000 changes=%u walks=%u quota=%llu free=%llu waiting=%llu idle=%llu planned=%llu moved=%lu left=%lluns page=%lluns",
		  __entry->samples, __entry->period, __entry->fast_milli,
		  __entry->uncertain_milli, __entry->changes,
		  __entry->walks, __entry->quota, __entry->free,
		  __entry->waiting, __entry->idle, __entry->planned,
		  __entry->moved, __entry->left_ns, __entry->page_ns)
);

/* What has become of a step of a plan. */
TRACE_EVENT(tiermem_move,
	TP_PROTO(const struct tm_move *move, const struct tm_outcome *outcome),
	TP_ARGS(move, outcome),
	TP_STRUCT__entry(
		__field(u64, hot_space)
		__field(u64, hot)
		__field(u64, cold_space)
		__field(u64, cold)
		__field(u32, pages)
		__field(u32, huge)
		__field(unsigned int, done)
	),
	TP_fast_assign(
		__entry->hot_space = move->promote_space;
		__entry->hot = move->promote_addr;
		__entry->cold_space = move->demote_space;
		__entry->cold = move->demote_addr;
		__entry->pages = move->pages;
		__entry->huge = move->huge;
		__entry->done = memweight(outcome->done, sizeof(outcome->done));
	),
	TP_printk("hot=%lld:%llx cold=%lld:%llx pages=%u huge=%u done=%u",
		  (s64)__entry->hot_space, __entry->hot, (s64)__entry->cold_space,
		  __entry->cold, __entry->pages, __entry->huge, __entry->done)
);

/* The fast tier shrinks: cold pages made room. */
DEFINE_EVENT(tiermem_amount, tiermem_make_room,
	TP_PROTO(unsigned int tier, unsigned long want, unsigned long got),
	TP_ARGS(tier, want, got)
);

#endif /* TIERMEM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
