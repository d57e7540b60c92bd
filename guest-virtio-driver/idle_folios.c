// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page cache and shared memory that nobody uses; see idle_folios.h.
 */
#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include "idle_folios.h"
#include "migrate.h"
#include "stopwatch.h"
#include "tiermem.h"

/*
 * What is idle for a round is noted. A copy there and one back take about 36 us, which
 * is what a page that is read as a whole every two seconds saves in ten.
 */
#define ROUND_NS_MIN (4 * NSEC_PER_SEC)
/* While nothing is found. */
#define ROUND_NS_MAX (64 * NSEC_PER_SEC)
/*
 * Frames of one call. They take about 100 ns each, as nobody has them in a cache. With
 * four calls a second a round of 16 GiB takes two minutes.
 */
#define SCAN_MOST 8192
#define STOCK_MOST 4096
/* Between two looks at the clock: about 9 ms. */
#define MOVE_PAGES 256

/* Of a frame that was seen with a folio: some bits of which, and whether it lost its flag. */
#define SEEN BIT(7)
#define SEEN_WHICH GENMASK(6, 1)
#define SEEN_REFERENCED BIT(0)

int tiermem_idle_init(struct tiermem_idle *idle, const struct tiermem_tier *tier, u64 now)
{
	*idle = (struct tiermem_idle) {
		.tier = tier,
		.seen = kvcalloc(tier->size, sizeof(*idle->seen), GFP_KERNEL),
		.noted = kvcalloc(BITS_TO_LONGS(tier->size), sizeof(long), GFP_KERNEL),
		.stock = kvcalloc(STOCK_MOST, sizeof(*idle->stock), GFP_KERNEL),
		.round_ns = ROUND_NS_MIN,
		.last_ns = now,
	};
	return idle->seen && idle->noted && idle->stock ? 0 : -ENOMEM;
}

void tiermem_idle_destroy(struct tiermem_idle *idle)
{
	kvfree(idle->seen);
	kvfree(idle->noted);
	kvfree(idle->stock);
	*idle = (struct tiermem_idle) {};
}

/* ---- Which folios ---- */

/* Such a folio that begins at @page, with a reference; or NULL. As in mm/page_idle.c. */
static struct folio *get_unmapped_file(struct page *page)
{
	struct folio *folio;

	if (PageTail(page))
		return NULL;
	folio = page_folio(page);
	if (!folio_test_lru(folio) || folio_test_anon(folio) || !folio_try_get(folio))
		return NULL;
	if (page_folio(page) == folio && folio_test_lru(folio) && !folio_test_anon(folio) &&
	    !folio_mapped(folio) && !folio_test_unevictable(folio) && !folio_test_swapcache(folio))
		return folio;
	folio_put(folio);
	return NULL;
}

/* Writes to files on disks set no flag but this. */
static bool is_used(struct folio *folio)
{
	return folio_test_referenced(folio) ||
	       (!folio_test_swapbacked(folio) &&
		(folio_test_dirty(folio) || folio_test_writeback(folio)));
}

static bool may_leave(struct folio *folio)
{
	struct address_space *mapping;
	bool may = false;

	if (folio_maybe_dma_pinned(folio) || !folio_trylock(folio))
		return false;
	/*
	 * Without one it has just been truncated; in the swap cache, where shared memory
	 * goes too, it is that of no file.
	 */
	mapping = folio_test_swapcache(folio) ? NULL : folio_mapping(folio);
	if (mapping)
		may = !mapping_unevictable(mapping) && !tiermem_is_bound(mapping->host);
	folio_unlock(folio);
	return may;
}

/* ---- The hand ---- */

static void note(struct tiermem_idle *idle, unsigned long frame, struct folio *folio)
{
	if (idle->nr < STOCK_MOST && may_leave(folio) && !__test_and_set_bit(frame, idle->noted)) {
		idle->stock[idle->nr++] = frame;
		idle->found = true;
	}
}

static u8 which(const struct folio *folio)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	return SEEN | (hash_long(mapping + READ_ONCE(folio->index), 6) << 1 & SEEN_WHICH);
}

static void look_at_folio(struct tiermem_idle *idle, unsigned long frame, struct folio *folio)
{
	const u8 before = idle->seen[frame], now = which(folio);
	const bool known = (before & ~SEEN_REFERENCED) == now;

	if (!known)
		idle->found = true;
	if (!known || is_used(folio))
		__clear_bit(frame, idle->noted);
	else
		note(idle, frame, folio);
	/* It has lost its flag and has got it back: else the kernel would have counted two. */
	if (known && (before & SEEN_REFERENCED) && folio_test_referenced(folio))
		folio_mark_accessed(folio);
	idle->seen[frame] = now | (folio_test_referenced(folio) ? SEEN_REFERENCED : 0);
	folio_clear_referenced(folio);
}

static void look_at(struct tiermem_idle *idle, unsigned long frame, struct page *page)
{
	struct folio *folio = get_unmapped_file(page);

	if (!folio) {
		idle->seen[frame] = 0;
		return;
	}
	look_at_folio(idle, frame, folio);
	folio_put(folio);
}

/* The frame's number, and how many follow in the same region; frame < tier->size. */
static unsigned long pfn_of(const struct tiermem_tier *tier, unsigned long frame,
			    unsigned long *left)
{
	const struct tiermem_region *region = tier->regions;

	while (frame >= region->end_pfn - region->start_pfn) {
		frame -= region->end_pfn - region->start_pfn;
		region++;
	}
	*left = region->end_pfn - region->start_pfn - frame;
	return region->start_pfn + frame;
}

/* From the hand on, to the end of a block that is online as a whole. */
static unsigned long look_at_block(struct tiermem_idle *idle, unsigned long most)
{
	unsigned long left, i, pfn = pfn_of(idle->tier, idle->hand, &left);
	unsigned long nr = min3(most, left, pageblock_nr_pages - pfn % pageblock_nr_pages);
	struct page *page = pfn_to_online_page(pfn);

	for (i = 0; page && i < nr; i++)
		look_at(idle, idle->hand + i, page + i);
	return nr;
}

static void end_round(struct tiermem_idle *idle)
{
	idle->hand = 0;
	idle->round_ns = idle->found ? ROUND_NS_MIN :
				       min_t(u64, 2 * idle->round_ns, ROUND_NS_MAX);
	idle->found = false;
}

void tiermem_idle_scan(struct tiermem_idle *idle, u64 now)
{
	u64 passed = min_t(u64, now - idle->last_ns, NSEC_PER_SEC);
	unsigned long nr = mul_u64_u64_div_u64(idle->tier->size, passed, idle->round_ns);
	unsigned long done;

	idle->last_ns = now;
	for (nr = min_t(unsigned long, nr, SCAN_MOST); nr && idle->nr < STOCK_MOST; nr -= done) {
		done = look_at_block(idle, nr);
		idle->hand += done;
		if (idle->hand >= idle->tier->size)
			end_round(idle);
		cond_resched();
	}
}

/* ---- Moving ---- */

/* The folio that was noted last, with a reference; or NULL if it is not idle any more. */
static struct folio *take_last(struct tiermem_idle *idle)
{
	unsigned long left, frame = idle->stock[--idle->nr];
	struct page *page = pfn_to_online_page(pfn_of(idle->tier, frame, &left));
	struct folio *folio;

	idle->nr_large = min(idle->nr_large, idle->nr);
	idle->seen[frame] = 0;
	if (!__test_and_clear_bit(frame, idle->noted))
		return NULL;
	folio = page ? get_unmapped_file(page) : NULL;
	if (!folio || (!is_used(folio) && may_leave(folio)))
		return folio;
	folio_put(folio);
	return NULL;
}

/* Adds the one that was noted last to @list. Pages, or 0 if it is not idle any more. */
static unsigned int take_one(struct tiermem_idle *idle, struct list_head *list, int nid)
{
	struct folio *folio = take_last(idle);
	unsigned int pages = folio ? folio_nr_pages(folio) : 0;

	return folio && tiermem_migrate_add(list, folio, false, nid) ? pages : 0;
}

/* Back into stock, with those that only migration can move. */
static void put_large(struct tiermem_idle *idle, struct folio *folio, unsigned long frame)
{
	idle->stock[idle->nr++] = idle->stock[idle->nr_large];
	idle->stock[idle->nr_large++] = frame;
	__set_bit(frame, idle->noted);
	idle->seen[frame] = which(folio);
	folio_put(folio);
}

struct folio *tiermem_idle_take(struct tiermem_idle *idle)
{
	unsigned long frame;
	struct folio *folio;

	while (idle->nr > idle->nr_large) {
		frame = idle->stock[idle->nr - 1];
		folio = take_last(idle);
		if (!folio)
			continue;
		if (!folio_test_large(folio))
			return folio;
		put_large(idle, folio, frame);
	}
	return NULL;
}

/* At least @pages, if there are so many. Returns how many were moved. */
static unsigned int move_some(struct tiermem_idle *idle, unsigned int pages, int nid)
{
	unsigned int taken = 0;
	LIST_HEAD(list);

	while (taken < pages && idle->nr)
		taken += take_one(idle, &list, nid);
	return tiermem_migrate_list(&list, nid);
}

unsigned int tiermem_idle_stock(const struct tiermem_idle *idle)
{
	return tiermem_migrate_unavailable() ? 0 : idle->nr;
}

unsigned long tiermem_idle_move(struct tiermem_idle *idle, unsigned long pages, int nid,
				u64 most_ns, const bool *stop)
{
	const struct tiermem_stopwatch start = tiermem_stopwatch_start();
	unsigned long sum = 0;
	unsigned int moved;

	pages = min_t(unsigned long, pages, tiermem_idle_stock(idle));
	while (sum < pages && !READ_ONCE(*stop) && tiermem_stopwatch_read(&start) < most_ns) {
		moved = move_some(idle, min_t(unsigned long, pages - sum, MOVE_PAGES), nid);
		if (!moved)
			break;
		sum += moved;
		cond_resched();
	}
	return sum;
}
