// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The reservoir: which frames of a tier are surrendered to the host.
 *
 * Frames enter the set before the host is asked to take them, and leave it only
 * after the host has agreed to give them back, so no frame that the kernel uses
 * is ever discarded. Whatever fails half-way ends with the frames in exactly
 * one place.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "tiermem.h"
#include "trace.h"

/* Pages of one request: bounds how long the host works without a break. */
#define REQUEST_PAGES (SZ_128M >> PAGE_SHIFT)
/* The same where pages are taken from others: they must be back at once. */
#define HARD_WON_PAGES (SZ_4M >> PAGE_SHIFT)

static bool batch_init(struct tiermem_batch *batch, unsigned int max)
{
	batch->ranges = kvmalloc_array(max, sizeof(*batch->ranges), GFP_KERNEL);
	batch->max = max;
	return batch->ranges;
}

static void batch_destroy(struct tiermem_batch *batch)
{
	kvfree(batch->ranges);
	batch->ranges = NULL;
}

int tiermem_reservoir_init(struct tiermem_tier *tier)
{
	const unsigned int max = tier->tm->max_ranges;

	mutex_init(&tier->lock);
	tier->surrendered = tm_range_set_create();
	if (!tier->surrendered || !batch_init(&tier->batch, max) ||
	    !batch_init(&tier->reclaim_batch, max)) {
		tiermem_reservoir_destroy(tier);
		return -ENOMEM;
	}
	return 0;
}

void tiermem_reservoir_destroy(struct tiermem_tier *tier)
{
	tm_range_set_destroy(tier->surrendered);
	tier->surrendered = NULL;
	batch_destroy(&tier->batch);
	batch_destroy(&tier->reclaim_batch);
}

unsigned long tiermem_reservoir_actual(const struct tiermem_tier *tier)
{
	return tier->size - tm_range_set_total(tier->surrendered);
}

/*
 * Add a range to MemTotal (@sign 1) or take it out (-1), each part in its own zone: a
 * range may reach over a border of zones, which is one of pageblocks, too.
 */
static void count_managed(const struct tm_interval *range, int sign)
{
	unsigned long pfn, next;

	for (pfn = range->start; pfn < range->end; pfn = next) {
		next = min_t(u64, ALIGN(pfn + 1, pageblock_nr_pages), range->end);
		adjust_managed_page_count(pfn_to_page(pfn), sign * (long)(next - pfn));
	}
}

/* Give a range of the reservoir to the kernel; it counts in MemTotal again. */
static void release(const struct tm_interval *range)
{
	count_managed(range, 1);
	tiermem_give_pages(range->start, range->end);
}

/* ---- Surrender ---- */

/* Give the batch's ranges from @first on back to the kernel, uncounted. */
static void give_batch(const struct tiermem_batch *batch, unsigned int first)
{
	for (; first < batch->nr; first++)
		tiermem_give_pages(batch->ranges[first].start,
				   batch->ranges[first].end);
}

/* Take ranges from @first on out of the set again, and give them back. */
static void unenter_batch(struct tiermem_tier *tier, unsigned int first,
			  unsigned int end)
{
	const struct tm_interval *range;

	/* In the reverse order: most are cut off an interval's end, which needs no memory. */
	while (end > first) {
		range = &tier->batch.ranges[--end];
		if (tm_range_set_remove(tier->surrendered, range->start,
					range->end) == TM_RANGE_OK)
			release(range);
		else
			/* No memory to note it: kept until the driver goes. */
			dev_warn_ratelimited(&tier->tm->vdev->dev,
					     "tier %u: %llu pages set aside\n",
					     tier->index,
					     range->end - range->start);
	}
}

/* Enter all of the batch, or give all of it back. */
static int enter_batch(struct tiermem_tier *tier)
{
	const struct tiermem_batch *batch = &tier->batch;
	enum tm_range_status status;
	unsigned int i;

	for (i = 0; i < batch->nr; i++) {
		const struct tm_interval *range = &batch->ranges[i];

		status = tm_range_set_insert(tier->surrendered, range->start,
					     range->end);
		if (status != TM_RANGE_OK) {
			WARN_ON_ONCE(status != TM_RANGE_NO_MEMORY);
			give_batch(batch, i);
			unenter_batch(tier, 0, i);
			return -ENOMEM;
		}
		count_managed(range, -1);
	}
	return 0;
}

static int hand_over(struct tiermem_tier *tier, unsigned long *surrendered)
{
	unsigned int done, i;
	int ret;

	mutex_lock(&tier->lock);
	ret = enter_batch(tier);
	if (!ret) {
		ret = tiermem_device_request(tier, VIRTIO_TIERMEM_REQ_SURRENDER,
					     0, &tier->batch, &done);
		/* Unless it clearly refused, the device may act: keep them. */
		if (ret && ret != -ENODEV && ret != -EBADMSG)
			unenter_batch(tier, done, tier->batch.nr);
		for (i = 0; i < done; i++)
			*surrendered += tier->batch.ranges[i].end -
					tier->batch.ranges[i].start;
	}
	mutex_unlock(&tier->lock);
	return ret;
}

int tiermem_reservoir_surrender(struct tiermem_tier *tier, unsigned long want,
				enum tiermem_effort effort,
				unsigned long *surrendered)
{
	struct tiermem_batch *batch = &tier->batch;
	int ret = -EAGAIN;

	*surrendered = 0;
	batch->nr = 0;
	want = min_t(unsigned long, want, effort == TIERMEM_TAKE_FREE ?
					  REQUEST_PAGES : HARD_WON_PAGES);
	if (!tiermem_take_pages(tier, want, effort, batch))
		return -EAGAIN;
	if (tiermem_must_end(tier))
		give_batch(batch, 0);
	else
		ret = hand_over(tier, surrendered);
	/* The OOM notifier looks at what is under way. */
	WRITE_ONCE(batch->pages, 0);
	return ret;
}

/* ---- Reclaim ---- */

/* Name up to @want pages of the set, the highest first, without a change. */
static void pick(struct tiermem_tier *tier, unsigned long want,
		 struct tiermem_batch *batch)
{
	const unsigned long block = 1UL << tier->min_order;
	u64 below = U64_MAX;
	struct tm_interval range;

	while (batch->pages < want && tiermem_batch_room(batch) &&
	       tm_range_set_prev(tier->surrendered, below, &range)) {
		u64 nr = min_t(u64, range.end - range.start,
			       round_up(want - batch->pages, block));

		below = range.start;
		range.start = range.end - nr;
		batch->ranges[batch->nr++] = range;
		batch->pages += nr;
	}
}

int tiermem_reservoir_reclaim(struct tiermem_tier *tier, unsigned long want,
			      u32 flags, unsigned long *reclaimed)
{
	struct tiermem_batch *batch = &tier->reclaim_batch;
	unsigned int done, i;
	int ret;

	lockdep_assert_held(&tier->lock);
	*reclaimed = 0;
	batch->nr = 0;
	batch->pages = 0;
	pick(tier, min_t(unsigned long, want, REQUEST_PAGES), batch);
	if (!batch->nr)
		return -EAGAIN;
	ret = tiermem_device_request(tier, VIRTIO_TIERMEM_REQ_RECLAIM, flags,
				     batch, &done);
	for (i = 0; i < done; i++) {
		const struct tm_interval *range = &batch->ranges[i];

		/* The upper end of an interval: needs no memory. */
		if (WARN_ON_ONCE(tm_range_set_remove(tier->surrendered,
						     range->start, range->end)))
			continue;
		release(range);
		*reclaimed += range->end - range->start;
	}
	return ret;
}

void tiermem_reservoir_release_all(struct tiermem_tier *tier)
{
	struct tm_interval range;

	mutex_lock(&tier->lock);
	while (tm_range_set_prev(tier->surrendered, U64_MAX, &range)) {
		/*
		 * An interval can be terabytes, which take seconds: in pieces, from its
		 * end, which needs no memory.
		 */
		if (range.end - range.start > REQUEST_PAGES)
			range.start = range.end - REQUEST_PAGES;
		tm_range_set_remove(tier->surrendered, range.start, range.end);
		release(&range);
		cond_resched();
	}
	mutex_unlock(&tier->lock);
}
