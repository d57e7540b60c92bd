/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_symbols.h - kernel services that are not exported
 *
 * Looked up once when the module is loaded, and called through static calls:
 * direct calls, so they are safe with IBT and cost nothing. A service that a
 * kernel does not have is reported as absent; every user has a way without it.
 *
 * For each service NAME there are a static call tiermem_NAME and a predicate
 * tiermem_have_NAME(). An absent service does nothing and returns 0.
 */
#ifndef TIERMEM_KERNEL_SYMBOLS_H
#define TIERMEM_KERNEL_SYMBOLS_H

#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/rmap.h>
#include <linux/static_call.h>

#define TIERMEM_DECLARE_SYMBOL(name, result, ...)		\
	result tiermem_no_##name(__VA_ARGS__);			\
	DECLARE_STATIC_CALL(tiermem_##name, tiermem_no_##name);	\
	bool tiermem_have_##name(void)

/*
 * __isolate_free_page() of mm/page_alloc.c: takes a free block off its list.
 * Caller holds zone->lock. Pages taken, or 0 at the low watermark.
 */
TIERMEM_DECLARE_SYMBOL(isolate_free_page, int, struct page *page,
		       unsigned int order);

/* flush_tlb_mm_range() of arch/x86/mm/tlb.c. May not be called with IRQs off. */
TIERMEM_DECLARE_SYMBOL(flush_tlb_mm_range, void, struct mm_struct *mm,
		       unsigned long start, unsigned long end,
		       unsigned int stride_shift, bool freed_tables);

/* lru_add_drain_all() of mm/swap.c. Sleeps, enters no reclaim. */
TIERMEM_DECLARE_SYMBOL(lru_add_drain_all, void, void);

/*
 * drain_all_pages() of mm/page_alloc.c: what waits on the CPUs' lists of a zone
 * goes back to it. May sleep; sends no IPIs on 6.1 and later.
 */
TIERMEM_DECLARE_SYMBOL(drain_all_pages, void, struct zone *zone);

/*
 * Of mm/pgtable-generic.c (since 6.5) and mm/rmap.c (by folio since 6.8), with
 * their own contracts. The exchanger's alone.
 */
#ifdef TIERMEM_HAVE_PTE_MAP_LOCK
TIERMEM_DECLARE_SYMBOL(pte_offset_map_lock, pte_t *, struct mm_struct *mm,
		       pmd_t *pmd, unsigned long addr, spinlock_t **lock);
#endif
#ifdef TIERMEM_HAVE_FOLIO_RMAP
TIERMEM_DECLARE_SYMBOL(folio_add_anon_rmap_ptes, void, struct folio *folio,
		       struct page *page, int nr_pages,
		       struct vm_area_struct *vma, unsigned long addr,
		       rmap_t flags);
TIERMEM_DECLARE_SYMBOL(folio_remove_rmap_ptes, void, struct folio *folio,
		       struct page *page, int nr_pages,
		       struct vm_area_struct *vma);
TIERMEM_DECLARE_SYMBOL(folio_remove_rmap_pmd, void, struct folio *folio,
		       struct page *page, struct vm_area_struct *vma);
#else
TIERMEM_DECLARE_SYMBOL(page_add_anon_rmap, void, struct page *page,
		       struct vm_area_struct *vma, unsigned long addr,
		       rmap_t flags);
TIERMEM_DECLARE_SYMBOL(page_remove_rmap, void, struct page *page,
		       struct vm_area_struct *vma, bool compound);
#endif

#ifdef TIERMEM_HAVE_NOTIFYING_FLUSH
/*
 * __mmu_notifier_invalidate_range_start() and _end() of mm/mmu_notifier.c: what
 * the inline functions of <linux/mmu_notifier.h> call. Start may sleep. The
 * exchanger has a way without: address spaces that are watched are refused.
 */
TIERMEM_DECLARE_SYMBOL(invalidate_start, int, struct mmu_notifier_range *range);
TIERMEM_DECLARE_SYMBOL(invalidate_end, void, struct mmu_notifier_range *range);
#endif

/*
 * Of mm/vmscan.c and mm/migrate.c, with their own contracts. The migration's
 * alone. folio_isolate_lru() returned 0 for success before 6.3.
 */
#ifdef TIERMEM_HAVE_NEW_FOLIO
#define tiermem_isolated_t bool
#define tiermem_target_t new_folio_t
#define tiermem_untarget_t free_folio_t
#else
#define tiermem_isolated_t int
#define tiermem_target_t new_page_t
#define tiermem_untarget_t free_page_t
#endif
#ifdef TIERMEM_HAVE_TYPED_REASON
#define tiermem_reason_t enum migrate_reason
#else
#define tiermem_reason_t int
#endif
TIERMEM_DECLARE_SYMBOL(folio_isolate_lru, tiermem_isolated_t, struct folio *folio);
TIERMEM_DECLARE_SYMBOL(migrate_pages, int, struct list_head *from,
		       tiermem_target_t target, tiermem_untarget_t untarget,
		       unsigned long private, enum migrate_mode mode,
		       tiermem_reason_t reason, unsigned int *succeeded);
TIERMEM_DECLARE_SYMBOL(putback_movable_pages, void, struct list_head *pages);

/*
 * rmap_walk() of mm/rmap.c: calls back for each mapping of a folio, which the caller has
 * locked. May sleep; takes anon_vma and i_mmap locks.
 */
TIERMEM_DECLARE_SYMBOL(rmap_walk, void, struct folio *folio,
		       struct rmap_walk_control *control);

/* May ranges of watched address spaces be announced as about to change? */
bool tiermem_can_notify(void);

/* set_numabalancing_state() of kernel/sched/core.c. May sleep. */
TIERMEM_DECLARE_SYMBOL(set_numabalancing_state, void, bool enabled);

/* The address of a variable of the kernel, or NULL. May sleep. */
void *tiermem_kernel_data(const char *name);

/* The first service that the exchanger needs and the kernel lacks, or NULL. */
const char *tiermem_missing_for_exchange(void);
/* The same for the migration of single pages. */
const char *tiermem_missing_for_migration(void);

/* Look everything up. 0, or a negative errno if nothing can be looked up. */
int tiermem_symbols_init(void);

#endif /* TIERMEM_KERNEL_SYMBOLS_H */
