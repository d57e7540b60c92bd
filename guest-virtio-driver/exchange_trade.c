// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two folios trade contents and identities.
 *
 * Two mapped ones swap their mapping and index and what their flags say about the
 * content. Their place on the LRU lists, charge, count of mappings and the statistics
 * of their nodes stay: equal before and after.
 *
 * With a loose folio these differ. Both are off the LRU lists meanwhile; charges move
 * with the content, so that no cgroup has more or less than before. In the page cache
 * the one takes the place of the other, as in __folio_migrate_mapping(). Nothing waits:
 * who looks the folio up meanwhile spins for the time of a copy, hence no interrupts.
 */
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/xarray.h>

#include "exchange_side.h"

/* Copied through a buffer that stays in the first or second level cache. */
#define BOUNCE_BYTES (16 << 10)

/* What moves with the content. */
#ifdef CONFIG_PAGE_IDLE_FLAG
#define IDLE_FLAGS (BIT(PG_young) | BIT(PG_idle))
#else
#define IDLE_FLAGS 0
#endif
#define CONTENT_FLAGS (BIT(PG_dirty) | BIT(PG_referenced) | BIT(PG_workingset) | \
		       BIT(PG_anon_exclusive) | IDLE_FLAGS)
/* With a loose one these, too; PG_reclaim is also PG_readahead. */
#define LOOSE_FLAGS (CONTENT_FLAGS | BIT(PG_active) | BIT(PG_swapbacked) | BIT(PG_uptodate) | \
		     BIT(PG_checked) | BIT(PG_mappedtodisk) | BIT(PG_reclaim))

static u8 bounce[BOUNCE_BYTES] __aligned(PAGE_SIZE);	/* one call runs at a time */

/* Bytes is a multiple of 8. One instruction, fast wherever the kernel's own copy_page() is. */
static void copy(void *to, const void *from, size_t bytes)
{
	size_t words = bytes / sizeof(u64);

	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static void swap_contents(void *a, void *b, size_t bytes)
{
	size_t step = min_t(size_t, bytes, BOUNCE_BYTES), done;

	for (done = 0; done < bytes; done += step) {
		copy(bounce, a + done, step);
		copy(a + done, b + done, step);
		copy(b + done, bounce, step);
	}
}

static void swap_identities(struct folio *a, struct folio *b, unsigned long flags)
{
	unsigned long *flags_a = folio_flags(a, 0), *flags_b = folio_flags(b, 0);
	unsigned long differ = (READ_ONCE(*flags_a) ^ READ_ONCE(*flags_b)) & flags;
	unsigned int bit;

	swap(a->mapping, b->mapping);
	swap(a->index, b->index);
	for_each_set_bit(bit, &differ, BITS_PER_LONG) {
		change_bit(bit, flags_a);
		change_bit(bit, flags_b);
	}
}

/* Fails if anybody but those who are counted has a reference. */
static bool freeze(struct folio *a, int refs_a, struct folio *b, int refs_b)
{
	if (!folio_ref_freeze(a, refs_a))
		return false;
	if (folio_ref_freeze(b, refs_b))
		return true;
	folio_ref_unfreeze(a, refs_a);
	return false;
}

/* The frame comes from the cold end of the LRU: the next look shall find it used. */
static void note_used(struct tiermem_side *hot)
{
	hot->used = true;
	if (!folio_test_referenced(hot->folio))
		folio_set_referenced(hot->folio);
}

/* Both are taken to have one reference, the mapping's. */
static enum tiermem_exchange_outcome trade_mapped(struct tiermem_side *hot,
						  struct tiermem_side *cold, bool *cold_refused)
{
	struct folio *a = hot->folio, *b = cold->folio;
	enum tiermem_exchange_outcome outcome = tiermem_refuse_trade(hot, cold, cold_refused);

	if (!outcome && !freeze(a, 1, b, 1))
		outcome = TIERMEM_REFUSED_LATE;
	if (outcome) {
		folio_get(a);
		folio_get(b);
		return outcome;
	}
	swap_contents(folio_address(a), folio_address(b), folio_size(a));
	swap_identities(a, b, CONTENT_FLAGS);
	folio_ref_unfreeze(a, 2);
	folio_ref_unfreeze(b, 2);
	swap(hot->folio, cold->folio);
	note_used(hot);
	return TIERMEM_EXCHANGED;
}

/* ---- Loose folios ---- */

enum tiermem_exchange_outcome tiermem_loose_take(struct tiermem_side *side, struct folio *folio)
{
	enum tiermem_exchange_outcome outcome;

	if (!folio_trylock(folio))
		return TIERMEM_REFUSED_PAGE_BUSY;
	outcome = tiermem_refuse_loose(folio);
	if (!outcome && folio->mapping && !tiermem_isolate(folio))
		outcome = TIERMEM_REFUSED_REFERENCED;
	if (outcome) {
		folio_unlock(folio);
		return outcome;
	}
	side->off_lru = folio->mapping;
	if (!side->off_lru)
		folio_get(folio);
	side->folio = folio;
	/* The caller's and ours; a file has one, too. */
	side->refs = folio->mapping ? 3 : 2;
	return TIERMEM_EXCHANGED;
}

/* By node and memory cgroup. */
static void count_mapped(struct folio *folio, int sign)
{
	lruvec_stat_mod_folio(folio, NR_ANON_MAPPED, sign);
}

static void count_file(struct folio *folio, int sign)
{
	lruvec_stat_mod_folio(folio, NR_FILE_PAGES, sign);
	if (folio_test_swapbacked(folio))
		lruvec_stat_mod_folio(folio, NR_SHMEM, sign);
}

static void swap_all_identities(struct folio *a, struct folio *b)
{
	const int mapcount = atomic_read(&a->_mapcount);

	swap_identities(a, b, LOOSE_FLAGS);
	atomic_set(&a->_mapcount, atomic_read(&b->_mapcount));
	atomic_set(&b->_mapcount, mapcount);
#ifdef CONFIG_MEMCG
	swap(a->memcg_data, b->memcg_data);
#endif
}

/* @mapped's content and identity go to @fresh, and its own go nowhere. */
static void move_into(struct folio *mapped, struct folio *fresh)
{
	copy(folio_address(fresh), folio_address(mapped), PAGE_SIZE);
	count_mapped(mapped, -1);
	swap_all_identities(mapped, fresh);
	count_mapped(fresh, 1);
}

/*
 * The file's folio is locked, so that it stays where it is in the page cache. Interrupts
 * are off, which the cache's lock asks for.
 */
static void trade_with_file(struct folio *mapped, struct folio *file)
{
	XA_STATE(xas, &file->mapping->i_pages, file->index);

	swap_contents(folio_address(mapped), folio_address(file), PAGE_SIZE);
	count_mapped(mapped, -1);
	count_file(file, -1);
	swap_all_identities(mapped, file);
	count_mapped(file, 1);
	count_file(mapped, 1);
	xas_lock(&xas);
	xas_store(&xas, mapped);
	xas_unlock(&xas);
}

static enum tiermem_exchange_outcome trade_frozen(struct folio *mapped, struct folio *loose,
						  int loose_refs)
{
	if (!freeze(mapped, 2, loose, loose_refs))
		return TIERMEM_REFUSED_LATE;
	if (loose->mapping)
		trade_with_file(mapped, loose);
	else
		move_into(mapped, loose);
	folio_ref_unfreeze(loose, 2);
	folio_ref_unfreeze(mapped, loose_refs);
	return TIERMEM_EXCHANGED;
}

/* The mapping's reference and that of being off the LRU lists, which is the side's. */
static enum tiermem_exchange_outcome trade_loose(struct tiermem_side *mapped,
						 struct tiermem_side *loose)
{
	enum tiermem_exchange_outcome outcome =
		tiermem_refuse_node(mapped->space, mapped->vma, folio_nid(loose->folio));

	if (!outcome) {
		mapped->off_lru = tiermem_isolate(mapped->folio);
		outcome = mapped->off_lru ? TIERMEM_EXCHANGED : TIERMEM_REFUSED_REFERENCED;
	}
	if (!mapped->off_lru)
		folio_get(mapped->folio);
	if (outcome)
		return outcome;
	/* As where the kernel freezes page cache: other CPUs that look it up spin until then. */
	local_irq_disable();
	outcome = trade_frozen(mapped->folio, loose->folio, loose->refs);
	local_irq_enable();
	if (!outcome)
		swap(mapped->folio, loose->folio);
	return outcome;
}

enum tiermem_exchange_outcome tiermem_side_trade(struct tiermem_side *hot,
						 struct tiermem_side *cold, bool *cold_refused)
{
	enum tiermem_exchange_outcome outcome;

	if (!tiermem_is_loose(hot) && !tiermem_is_loose(cold))
		return trade_mapped(hot, cold, cold_refused);
	*cold_refused = tiermem_is_loose(hot);
	if (tiermem_is_loose(hot))
		return trade_loose(cold, hot);
	outcome = trade_loose(hot, cold);
	if (!outcome)
		note_used(hot);
	return outcome;
}

void tiermem_side_finish(struct tiermem_side *side)
{
	struct folio *folio = side->folio;

	if (!folio)
		return;
	folio_unlock(folio);
	if (side->off_lru)
		folio_add_lru(folio);
	folio_put(folio);
}
