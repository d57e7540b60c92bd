// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking pages out of page tables and putting others in their place.
 *
 * The mmap lock is held for reading, which keeps mprotect, munmap, mremap, fork
 * and khugepaged away. What can happen to an entry while its page is taken:
 *  - it loses its write permission (scan for NUMA balancing),
 *  - it is zapped (MADV_DONTNEED), and maybe something new is mapped there,
 *  - the entry of a huge page is split into those of its base pages.
 * tiermem_side_put() tells them apart by what it finds.
 */
#include <linux/swap.h>

#include "exchange_side.h"
#include "kernel_symbols.h"
#include "leaf_entry.h"
#include "page_table.h"

/* Kernels before 6.8 count mappings of pages instead of folios. */

static void add_rmap(struct folio *folio, struct page *page,
		     struct vm_area_struct *vma, unsigned long addr, bool exclusive)
{
	rmap_t flags = exclusive ? RMAP_EXCLUSIVE : RMAP_NONE;

#ifdef TIERMEM_HAVE_FOLIO_RMAP
	static_call(tiermem_folio_add_anon_rmap_ptes)(folio, page, 1, vma, addr, flags);
#else
	static_call(tiermem_page_add_anon_rmap)(page, vma, addr, flags);
#endif
}

static void remove_rmap(struct folio *folio, struct vm_area_struct *vma, bool huge)
{
#ifdef TIERMEM_HAVE_FOLIO_RMAP
	if (huge)
		static_call(tiermem_folio_remove_rmap_pmd)(folio, &folio->page, vma);
	else
		static_call(tiermem_folio_remove_rmap_ptes)(folio, &folio->page, 1, vma);
#else
	static_call(tiermem_page_remove_rmap)(&folio->page, vma, huge);
#endif
}

/* Entries of both sizes. */

static unsigned long entry_pfn(pte_t entry, bool huge)
{
	return huge ? pmd_pfn(__pmd(pte_val(entry))) : pte_pfn(entry);
}

static pte_t make_entry(unsigned long pfn, pgprot_t prot, bool huge)
{
	return huge ? __pte(pmd_val(pfn_pmd(pfn, prot))) : pfn_pte(pfn, prot);
}

/* A migration entry that keeps what others may want to know of @old. */
static pte_t make_absent(pte_t old, struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	swp_entry_t swap;
	pte_t entry;

	if (pte_write(old))
		swap = make_writable_migration_entry(pfn);
	else if (PageAnonExclusive(page))
		swap = make_readable_exclusive_migration_entry(pfn);
	else
		swap = make_readable_migration_entry(pfn);
	entry = swp_entry_to_pte(swap);
	return pte_soft_dirty(old) ? pte_swp_mksoft_dirty(entry) : entry;
}

/* Does the entry stand for the frame? Its folio is ours, so nobody else made it. */
static bool stands_for(pte_t entry, unsigned long pfn)
{
	softleaf_t leaf;

	if (pte_none(entry) || pte_present(entry))
		return false;
	leaf = softleaf_from_pte(entry);
	return softleaf_is_migration(leaf) && softleaf_to_pfn(leaf) == pfn;
}

static unsigned long absent_pfn(const struct tiermem_side *side)
{
	return softleaf_to_pfn(softleaf_from_pte(side->absent));
}

/* Side->old for another frame, with what @absent has lost since. */
static pte_t make_present(const struct tiermem_side *side, pte_t absent,
			  unsigned long pfn, pgprot_t prot, bool huge)
{
	pte_t entry = make_entry(pfn, prot, huge);

	if (!softleaf_is_migration_write(softleaf_from_pte(absent)))
		entry = pte_wrprotect(entry);
	if (!pte_swp_soft_dirty(absent))
		entry = pte_clear_soft_dirty(entry);
	return side->used ? pte_mkyoung(entry) : entry;
}

/* The cursor. It keeps the lock between functions; __acquire and __release tell sparse so. */

void tiermem_cursor_release(struct tiermem_cursor *cursor)
{
	if (!cursor->lock)
		return;
	__acquire(cursor->lock);
	if (cursor->table) {
#ifdef TIERMEM_HAVE_PTE_MAP_LOCK
		__acquire(RCU);
#endif
		pte_unmap_unlock(cursor->table, cursor->lock);
	} else {
		spin_unlock(cursor->lock);
	}
	cursor->lock = NULL;
	cursor->table = NULL;
}

static bool is_table(pmd_t pmd)
{
	return pmd_present(pmd) && !pmd_trans_huge(pmd) && !pmd_bad(pmd);
}

/* Lock the table of base pages that the PMD points to, if it does. */
static bool lock_table(struct tiermem_cursor *cursor)
{
	if (!is_table(READ_ONCE(*cursor->pmd)))
		return false;
#ifdef TIERMEM_HAVE_PTE_MAP_LOCK
	cursor->table = static_call(tiermem_pte_offset_map_lock)(cursor->mm, cursor->pmd,
								 cursor->base, &cursor->lock);
	if (!cursor->table)
		cursor->lock = NULL;
#else
	/* Once there, it is freed under the mmap lock for writing only. */
	cursor->table = pte_offset_map_lock(cursor->mm, cursor->pmd, cursor->base,
					    &cursor->lock);
	__release(cursor->lock);
#endif
	return cursor->table;
}

static noinline bool move_away(struct tiermem_cursor *cursor, struct mm_struct *mm,
			       unsigned long base)
{
	tiermem_cursor_release(cursor);
	cursor->mm = mm;
	cursor->base = base;
	cursor->pmd = tiermem_find_pmd(mm, base);
	if (!cursor->pmd)
		return false;
	if (!cursor->huge)
		return lock_table(cursor);
	cursor->lock = pmd_lock(mm, cursor->pmd);
	__release(cursor->lock);
	return true;
}

/* Lock where the side's entry is. False: there is no place for one of its size. */
static __always_inline bool move_to(struct tiermem_cursor *cursor,
				    const struct tiermem_side *side)
{
	struct mm_struct *mm = side->space->mm;
	unsigned long base = side->addr & PMD_MASK;

	if (likely(cursor->lock && cursor->mm == mm && cursor->base == base))
		return true;
	return move_away(cursor, mm, base);
}

void tiermem_side_lock(struct tiermem_cursor *cursor, const struct tiermem_side *side)
{
	move_to(cursor, side);
}

static pte_t *slot_of(const struct tiermem_cursor *cursor, unsigned long addr)
{
	return cursor->table ? cursor->table + pte_index(addr) : (pte_t *)cursor->pmd;
}

static pte_t read_slot(const struct tiermem_cursor *cursor, unsigned long addr)
{
	return READ_ONCE(*slot_of(cursor, addr));
}

/* Returns the entry with the last accessed and dirty bits that a CPU has set. */
static pte_t replace_slot(struct tiermem_cursor *cursor, struct tiermem_side *side, pte_t entry)
{
	pte_t *slot = slot_of(cursor, side->addr);
	pte_t old;

	/* A PMD that is none for a moment makes MADV_DONTNEED, which looks without lock, skip it. */
	if (cursor->huge)
		return __pte(pmd_val(pmdp_establish(side->vma, side->addr, cursor->pmd,
						    __pmd(pte_val(entry)))));
	old = ptep_get_and_clear(cursor->mm, side->addr, slot);
	set_pte_at(cursor->mm, side->addr, slot, entry);
	return old;
}

static void fill_slot(struct tiermem_cursor *cursor, struct tiermem_side *side, pte_t entry)
{
	if (cursor->huge)
		set_pmd_at(cursor->mm, side->addr, cursor->pmd, __pmd(pte_val(entry)));
	else
		set_pte_at(cursor->mm, side->addr, slot_of(cursor, side->addr), entry);
}

/* Taking */

static enum tiermem_exchange_outcome look_up_vma(struct tiermem_cursor *cursor,
						 struct tiermem_side *side)
{
	unsigned long end = side->addr + tiermem_size(cursor->huge);
	struct vm_area_struct *vma = cursor->vma;

	if (!vma || vma->vm_mm != side->space->mm || side->addr < vma->vm_start ||
	    side->addr >= vma->vm_end) {
		vma = vma_lookup(side->space->mm, side->addr);
		cursor->vma = vma;
		cursor->vma_outcome = tiermem_refuse_vma(vma);
	}
	side->vma = vma;
	if (!cursor->vma_outcome && end > vma->vm_end)
		return TIERMEM_REFUSED_SIZE;
	return cursor->vma_outcome;
}

/* Why there is no place for an entry of the size. */
static enum tiermem_exchange_outcome why_no_place(const struct tiermem_cursor *cursor)
{
	if (!cursor->pmd || pmd_none(READ_ONCE(*cursor->pmd)))
		return TIERMEM_REFUSED_ABSENT;
	return TIERMEM_REFUSED_SIZE;
}

static bool has_size(struct folio *folio, bool huge)
{
	return folio_order(folio) == (huge ? HPAGE_PMD_ORDER : 0);
}

static enum tiermem_exchange_outcome take_page(struct tiermem_cursor *cursor,
					       struct tiermem_side *side, pte_t entry)
{
	struct page *page = pfn_to_page(entry_pfn(entry, cursor->huge));
	struct folio *folio = page_folio(page);
	enum tiermem_exchange_outcome outcome;

	if (!has_size(folio, cursor->huge))
		return TIERMEM_REFUSED_SIZE;
	if (!folio_trylock(folio))
		return TIERMEM_REFUSED_PAGE_BUSY;
	outcome = tiermem_refuse_folio(folio, page);
	if (outcome) {
		folio_unlock(folio);
		return outcome;
	}
	side->folio = folio;
	side->absent = make_absent(entry, page);
	side->old = replace_slot(cursor, side, side->absent);
	side->space->taken++;
	return TIERMEM_EXCHANGED;
}

enum tiermem_exchange_outcome tiermem_side_take(struct tiermem_cursor *cursor,
						struct tiermem_side *side)
{
	enum tiermem_exchange_outcome outcome = look_up_vma(cursor, side);
	pte_t entry;

	if (outcome)
		return outcome;
	if (!move_to(cursor, side))
		return why_no_place(cursor);
	entry = read_slot(cursor, side->addr);
	if (cursor->huge && is_table(__pmd(pte_val(entry))))
		return TIERMEM_REFUSED_SIZE;
	outcome = tiermem_refuse_entry(entry);
	if (outcome)
		return outcome;
	return take_page(cursor, side, entry);
}

/* Putting back */

/* The place is gone: so are the mapping's count and its reference. */
static void drop_mapping(struct tiermem_cursor *cursor, struct tiermem_side *side)
{
	remove_rmap(side->folio, side->vma, cursor->huge);
	folio_put(side->folio);
}

/* Some kernels free a table when it has become empty. */
static void drop_without_place(struct tiermem_cursor *cursor, struct tiermem_side *side,
			       struct tiermem_exchange_stats *stats)
{
	preempt_disable();
	drop_mapping(cursor, side);
	preempt_enable();
	stats->zapped++;
}

/*
 * The entry was split: map the base pages that have not been zapped since, then
 * give up the mapping of the whole. Under the new table's lock.
 */
static void put_base_pages(struct tiermem_cursor *cursor, struct tiermem_side *side)
{
	pgprot_t prot = pgprot_large_2_4k(pte_pgprot(side->old));
	unsigned long pfn = absent_pfn(side), addr = side->addr;
	unsigned int i;

	for (i = 0; i < HPAGE_PMD_NR; i++, addr += PAGE_SIZE) {
		pte_t absent = read_slot(cursor, addr);
		struct page *page = folio_page(side->folio, i);

		if (!stands_for(absent, pfn + i))
			continue;
		folio_get(side->folio);
		add_rmap(side->folio, page, side->vma, addr,
			 !softleaf_is_migration_read(softleaf_from_pte(absent)));
		set_pte_at(cursor->mm, addr, slot_of(cursor, addr),
			   make_present(side, absent, page_to_pfn(page), prot, false));
	}
	drop_mapping(cursor, side);
}

static void put_unchanged(struct tiermem_cursor *cursor, struct tiermem_side *side)
{
	pte_t entry = make_entry(folio_pfn(side->folio), pte_pgprot(side->old), cursor->huge);

	fill_slot(cursor, side, side->used ? pte_mkyoung(entry) : entry);
}

/* The side's entry is in the slot, but has lost something. */
static void put_changed(struct tiermem_cursor *cursor, struct tiermem_side *side, pte_t absent,
			struct tiermem_exchange_stats *stats)
{
	fill_slot(cursor, side, make_present(side, absent, folio_pfn(side->folio),
					     pte_pgprot(side->old), cursor->huge));
	stats->rebuilt++;
}

/* The PMD points to a table now. The next side wants the PMD's lock again. */
static void put_split(struct tiermem_cursor *cursor, struct tiermem_side *side,
		      struct tiermem_exchange_stats *stats)
{
	tiermem_cursor_release(cursor);
	if (!lock_table(cursor)) {
		drop_without_place(cursor, side, stats);
		return;
	}
	put_base_pages(cursor, side);
	stats->split++;
	tiermem_cursor_release(cursor);
}

/* Something else is in the slot. */
static void put_elsewhere(struct tiermem_cursor *cursor, struct tiermem_side *side,
			  struct tiermem_exchange_stats *stats)
{
	if (cursor->huge && is_table(READ_ONCE(*cursor->pmd))) {
		put_split(cursor, side, stats);
		return;
	}
	drop_mapping(cursor, side);
	stats->zapped++;
}

void tiermem_side_put(struct tiermem_cursor *cursor, struct tiermem_side *side,
		      struct tiermem_exchange_stats *stats)
{
	pte_t entry;

	if (!move_to(cursor, side)) {
		drop_without_place(cursor, side, stats);
		return;
	}
	entry = read_slot(cursor, side->addr);
	if (likely(pte_same(entry, side->absent)))
		put_unchanged(cursor, side);
	else if (stands_for(entry, absent_pfn(side)))
		put_changed(cursor, side, entry, stats);
	else
		put_elsewhere(cursor, side, stats);
}
