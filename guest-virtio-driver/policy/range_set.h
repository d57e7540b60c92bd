/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * range_set.h - a set of disjoint intervals of integers
 *
 * The reservoir keeps the page frames that it has surrendered in it. Touching
 * intervals are merged, so a set is as small as its content is contiguous; an
 * interval takes 16 bytes, in sorted leaves of 4 KiB under one index.
 *
 *   insert [8,16)   {[8,16)}
 *   insert [16,24)  {[8,24)}          touching intervals merge
 *   insert [40,48)  {[8,24) [40,48)}
 *   remove [12,16)  {[8,12) [16,24) [40,48)}
 *
 * Units are the caller's (page frame numbers in the driver). The caller
 * serializes all calls on one set. No call sleeps: memory comes from
 * tm_host_alloc_nowait(). Search is O(log n), a change O(log n + leaf + index).
 */
#ifndef TIERMEM_RANGE_SET_H
#define TIERMEM_RANGE_SET_H

#ifdef __cplusplus
#include <cstdint>
extern "C" {
using tm_u64 = std::uint64_t;
#else
#include <linux/types.h>
typedef u64 tm_u64;
#endif

struct tm_range_set;

/* The interval [start, end); never empty. */
struct tm_interval {
	tm_u64 start;
	tm_u64 end;
};

enum tm_range_status {
	TM_RANGE_OK = 0,
	TM_RANGE_INVALID,	/* start >= end */
	TM_RANGE_CONFLICT,	/* insert: overlaps the set; remove: not in it */
	TM_RANGE_NO_MEMORY,
};

/* NULL when there is no memory. Owned by the caller. */
struct tm_range_set *tm_range_set_create(void);
/* NULL is ignored. */
void tm_range_set_destroy(struct tm_range_set *set);

/* On anything but TM_RANGE_OK the set is unchanged. */
enum tm_range_status tm_range_set_insert(struct tm_range_set *set, tm_u64 start, tm_u64 end);
/*
 * All of [start, end) must be in the set. Needs memory only when it is cut out
 * of the middle of an interval.
 */
enum tm_range_status tm_range_set_remove(struct tm_range_set *set, tm_u64 start, tm_u64 end);

/* The number of integers in the set, and of intervals that hold them. */
tm_u64 tm_range_set_total(const struct tm_range_set *set);
tm_u64 tm_range_set_count(const struct tm_range_set *set);

/* The first interval that ends above @from; 0 if there is none, else 1. */
int tm_range_set_next(const struct tm_range_set *set, tm_u64 from, struct tm_interval *range);
/* The last interval that starts below @below; 0 if there is none, else 1. */
int tm_range_set_prev(const struct tm_range_set *set, tm_u64 below, struct tm_interval *range);

/* Check every invariant; 1 if all hold. For tests and debugging. */
int tm_range_set_validate(const struct tm_range_set *set);

#ifdef __cplusplus
}
#endif

#endif /* TIERMEM_RANGE_SET_H */
