// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which pages: taking them out of the kernel, and giving them back.
 *
 * Debian's kernels boot with init_on_alloc=1: the plain allocator would zero,
 * and so populate on the host, every page that is about to be given away. Free
 * blocks are therefore taken off the buddy allocator's lists as page reporting
 * does it (mm/page_reporting.c): under zone->lock, by __isolate_free_page().
 * They have never been handed out by then, so nothing has touched them.
 *
 * A page in the reservoir has a reference count of 1 and is PageOffline. That
 * makes it "unmovable" for everybody who walks frames, and lets any part of a
 * block be given back on its own.
 */
#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page-isolation.h>

#include "kernel_symbols.h"
#include "tiermem.h"
#include "trace.h"

#define MAX_BLOCK_ORDER ((unsigned int)ilog2(MAX_ORDER_NR_PAGES))

/* Blocks taken under one hold of zone->lock; bounds the time with IRQs off. */
#define BLOCKS_PER_HOLD 32
/* Entries of a free list looked at in one hold, wanted or not. */
#define LOOKS_PER_HOLD 128

/* ---- Marks ---- */

static void mark_taken(struct page *page, unsigned long nr)
{
	struct page *end = page + nr;

	for (; page < end; page++) {
		set_page_count(page, 1);
		__SetPageOffline(page);
	}
}

/* As the allocator left it before mark_taken(): only the head is counted. */
static void mark_given(struct page *page, unsigned long nr)
{
	struct page *end = page + nr;
	struct page *head = page;

	for (; page < end; page++) {
		__ClearPageOffline(page);
		set_page_count(page, 0);
	}
	set_page_count(head, 1);
}

/* The largest block that starts at a frame, is aligned and ends in time. */
static unsigned int largest_order(unsigned long pfn, unsigned long end_pfn)
{
	unsigned int order = ilog2(end_pfn - pfn);

	if (pfn)
		order = min_t(unsigned int, order, __ffs(pfn));
	return min(order, MAX_BLOCK_ORDER);
}

void tiermem_give_pages(unsigned long start_pfn, unsigned long end_pfn)
{
	while (start_pfn < end_pfn) {
		unsigned int order = largest_order(start_pfn, end_pfn);
		struct page *page = pfn_to_page(start_pfn);

		mark_given(page, 1UL << order);
		__free_pages(page, order);
		start_pfn += 1UL << order;
	}
}

/* ---- Batches ---- */

/* Add frames; touching ones join the last range, which keeps batches short. */
static bool batch_add(struct tiermem_batch *batch, unsigned long pfn,
		      unsigned long nr)
{
	struct tm_interval *last = batch->nr ? &batch->ranges[batch->nr - 1] : NULL;

	if (last && last->end == pfn)
		last->end += nr;
	else if (last && last->start == pfn + nr)
		last->start = pfn;
	else if (batch->nr < batch->max)
		batch->ranges[batch->nr++] = (struct tm_interval) { pfn, pfn + nr };
	else
		return false;
	batch->pages += nr;
	return true;
}

static bool tier_contains(const struct tiermem_tier *tier, unsigned long pfn,
			  unsigned long nr)
{
	unsigned int i;

	for (i = 0; i < tier->nr_regions; i++)
		if (pfn >= tier->regions[i].start_pfn &&
		    pfn + nr <= tier->regions[i].end_pfn)
			return true;
	return false;
}

/* Mark a block and keep what is wanted of it; the rest goes back. */
static void keep_block(struct tiermem_batch *batch, struct page *page,
		       unsigned int order, unsigned long want)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned long nr = min(want, 1UL << order);

	mark_taken(page, 1UL << order);
	if (!batch_add(batch, pfn, nr))
		nr = 0;
	if (nr < 1UL << order)
		tiermem_give_pages(pfn + nr, pfn + (1UL << order));
}

/* ---- Free pages, off the lists ---- */

/* What a zone keeps: the kernel must not start to reclaim because of us. */
static unsigned long zone_keeps(struct zone *zone)
{
	return high_wmark_pages(zone) + zone->nr_reserved_highatomic +
	       pageblock_nr_pages / 4;
}

static unsigned long zone_spare(struct zone *zone)
{
	unsigned long free = zone_page_state(zone, NR_FREE_PAGES);
	unsigned long keeps = zone_keeps(zone);

	return free > keeps ? free - keeps : 0;
}

unsigned long tiermem_free_pages_spare(const struct tiermem_tier *tier)
{
	struct zone *zones = NODE_DATA(tier->nid)->node_zones;
	unsigned long spare = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		if (populated_zone(&zones[i]))
			spare += zone_spare(&zones[i]);
	}
	return spare;
}

/* Take blocks off one list under one hold of the lock; returns how many. */
static unsigned int isolate_blocks(const struct tiermem_tier *tier,
				   struct zone *zone, struct list_head *list,
				   unsigned int order, unsigned int max,
				   struct page **blocks)
{
	unsigned int nr = 0, looks = 0;
	struct page *page, *next;
	unsigned long flags;

	spin_lock_irqsave(&zone->lock, flags);
	list_for_each_entry_safe(page, next, list, buddy_list) {
		if (nr == max || looks++ == LOOKS_PER_HOLD ||
		    zone_spare(zone) < 1UL << order)
			break;
		if (!tier_contains(tier, page_to_pfn(page), 1UL << order))
			continue;
		if (!static_call(tiermem_isolate_free_page)(page, order))
			break;
		blocks[nr++] = page;
	}
	spin_unlock_irqrestore(&zone->lock, flags);
	return nr;
}

/* Migrate types whose pages are not ours to take. */
static bool list_is_reserved(int migratetype)
{
	return migratetype == MIGRATE_HIGHATOMIC ||
	       is_migrate_isolate(migratetype) || is_migrate_cma(migratetype);
}

/* Take blocks of one order from a zone until enough or none are left. */
static void take_order(struct tiermem_tier *tier, struct zone *zone,
		       unsigned int order, unsigned long want,
		       struct tiermem_batch *batch)
{
	struct page *blocks[BLOCKS_PER_HOLD];
	int mt;

	for (mt = 0; mt < MIGRATE_TYPES; mt++) {
		struct list_head *list = &zone->free_area[order].free_list[mt];
		unsigned int nr, i;

		if (list_is_reserved(mt))
			continue;
		do {
			unsigned long missing = want - batch->pages;
			/* Also when one block is more than what is missing. */
			unsigned long max = DIV_ROUND_UP(missing, 1UL << order);

			max = min3(max, (unsigned long)BLOCKS_PER_HOLD,
				   tiermem_batch_room(batch));
			/* Peeking without the lock only costs a useless hold. */
			if (!max || list_empty(list))
				break;
			nr = isolate_blocks(tier, zone, list, order, max,
					    blocks);
			for (i = 0; i < nr; i++)
				keep_block(batch, blocks[i], order,
					   want - batch->pages);
			cond_resched();
		} while (nr);
	}
}

static void take_zone(struct tiermem_tier *tier, struct zone *zone,
		      unsigned long want, struct tiermem_batch *batch)
{
	unsigned int order = MAX_BLOCK_ORDER + 1;

	/* Whole blocks first, the largest first ... */
	while (order-- > tier->min_order && batch->pages < want) {
		if (want - batch->pages >= 1UL << order)
			take_order(tier, zone, order, want, batch);
	}
	/* ... then a part of the smallest block that covers what is missing. */
	for (order = tier->min_order; order <= MAX_BLOCK_ORDER; order++) {
		if (batch->pages < want &&
		    want - batch->pages < 1UL << order)
			take_order(tier, zone, order, want, batch);
	}
}

static void take_free(struct tiermem_tier *tier, unsigned long want,
		      struct tiermem_batch *batch)
{
	struct zone *zones = NODE_DATA(tier->nid)->node_zones;
	int i;

	/* From the highest zone down: low memory is the most precious. */
	for (i = MAX_NR_ZONES - 1; i >= 0; i--) {
		if (populated_zone(&zones[i]) && batch->pages < want)
			take_zone(tier, &zones[i], want, batch);
	}
}

/* ---- Pages from the allocator ---- */

/*
 * As virtio-balloon takes them: reclaims, but never invokes the OOM killer and
 * never uses the reserves. Also the way of a kernel without
 * __isolate_free_page().
 */
static void take_allocated(struct tiermem_tier *tier, unsigned long want,
			   gfp_t gfp, unsigned int order,
			   struct tiermem_batch *batch)
{
	gfp |= __GFP_THISNODE | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN;
	order = max(order, tier->min_order);

	for (;;) {
		struct page *page;

		while (order > tier->min_order &&
		       want - batch->pages < 1UL << order)
			order--;
		if (want - batch->pages < 1UL << order ||
		    !tiermem_batch_room(batch) || tiermem_must_end(tier))
			return;
		page = alloc_pages_node(tier->nid, gfp, order);
		if (page && !tier_contains(tier, page_to_pfn(page), 1UL << order)) {
			__free_pages(page, order);
			return;
		}
		if (page)
			keep_block(batch, page, order, want - batch->pages);
		else if (order-- == tier->min_order)
			return;
		cond_resched();
	}
}

/* ---- Pages in use, moved elsewhere ---- */

/* ULONG_MAX once after the last of the tier; then it starts over at the first region. */
static unsigned long next_scan_block(struct tiermem_tier *tier)
{
	unsigned int i;

	for (i = 0; i < tier->nr_regions; i++) {
		unsigned long pfn = max(tier->scan_pfn,
					tier->regions[i].start_pfn);

		pfn = ALIGN(pfn, pageblock_nr_pages);
		if (pfn + pageblock_nr_pages <= tier->regions[i].end_pfn) {
			tier->scan_pfn = pfn + pageblock_nr_pages;
			return pfn;
		}
	}
	tier->scan_pfn = 0;
	return ULONG_MAX;
}

/* Cheap signs that a block cannot be emptied: holes, the kernel's, ours. */
static bool block_may_move(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return page && !PageReserved(page) && !PageOffline(page) &&
	       page_zone(page) ==
	       page_zone(pfn_to_page(pfn + pageblock_nr_pages - 1));
}

static int alloc_contig(unsigned long start, unsigned long end)
{
#ifdef ACR_FLAGS_NONE
	return alloc_contig_range(start, end, ACR_FLAGS_NONE,
				  GFP_KERNEL | __GFP_NOWARN);
#else
	return alloc_contig_range(start, end, MIGRATE_MOVABLE,
				  GFP_KERNEL | __GFP_NOWARN);
#endif
}

/* Room in the other tiers for what would be moved there. */
static bool room_elsewhere(const struct tiermem_tier *tier)
{
	const struct tiermem *tm = tier->tm;
	unsigned int i;

	for (i = 0; i < tm->num_tiers; i++) {
		if (i != tier->index && tiermem_free_pages_spare(&tm->tiers[i]) >
					2 * pageblock_nr_pages)
			return true;
	}
	return false;
}

/*
 * Empty pageblocks by migration: at most one round over the tier without finding any,
 * of which the next call goes on where the time was up.
 */
static void take_moved(struct tiermem_tier *tier, unsigned long want,
		       struct tiermem_batch *batch)
{
	unsigned long pfn, nr;

	if (tier->scanned >= tier->size)
		tier->scanned = 0;
	while (batch->pages < want && tiermem_batch_room(batch) &&
	       tier->scanned < tier->size && time_before(jiffies, tier->run_end) &&
	       room_elsewhere(tier) && !tiermem_must_end(tier)) {
		cond_resched();
		pfn = next_scan_block(tier);
		tier->scanned += pageblock_nr_pages;
		if (pfn == ULONG_MAX || !block_may_move(pfn) ||
		    alloc_contig(pfn, pfn + pageblock_nr_pages))
			continue;
		nr = min(want - batch->pages, pageblock_nr_pages);
		mark_taken(pfn_to_page(pfn), pageblock_nr_pages);
		if (!batch_add(batch, pfn, nr))
			nr = 0;
		if (nr < pageblock_nr_pages)
			tiermem_give_pages(pfn + nr, pfn + pageblock_nr_pages);
		tier->scanned = 0;
	}
}

unsigned long tiermem_take_pages(struct tiermem_tier *tier, unsigned long want,
				 enum tiermem_effort effort,
				 struct tiermem_batch *batch)
{
	switch (effort) {
	case TIERMEM_TAKE_FREE:
		if (tiermem_have_isolate_free_page())
			take_free(tier, want, batch);
		else
			take_allocated(tier, min(want, tiermem_free_pages_spare(tier)),
				       GFP_HIGHUSER & ~__GFP_RECLAIM,
				       MAX_BLOCK_ORDER, batch);
		break;
	case TIERMEM_TAKE_MOVE:
		take_moved(tier, want, batch);
		break;
	case TIERMEM_TAKE_RECLAIM:
		take_allocated(tier, want, GFP_HIGHUSER, PAGE_ALLOC_COSTLY_ORDER,
			       batch);
		break;
	}
	trace_tiermem_take(tier->index, effort, want, batch->pages, batch->nr);
	return batch->pages;
}
