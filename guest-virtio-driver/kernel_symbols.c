// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking up kernel services that are not exported; see kernel_symbols.h.
 */
#include <linux/kprobes.h>
#include <linux/swap.h>

#include "kernel_symbols.h"

static unsigned long no_lookup_name(const char *name)
{
	return 0;
}

/* A static call too: an indirect one could land on a sealed ENDBR. */
DEFINE_STATIC_CALL(tiermem_lookup_name, no_lookup_name);

/* kallsyms_lookup_name() is itself not exported; a kprobe tells its address. */
static int find_lookup_name(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	int ret = register_kprobe(&kp);

	if (ret)
		return ret;
	static_call_update(tiermem_lookup_name,
			   (typeof(&no_lookup_name))kp.addr);
	unregister_kprobe(&kp);
	return 0;
}

/* The static call, the predicate and the lookup of one service. */
#define DEFINE_SYMBOL(name, kernel_name)				\
	DEFINE_STATIC_CALL(tiermem_##name, tiermem_no_##name);		\
	static bool have_##name;					\
	bool tiermem_have_##name(void)					\
	{								\
		return have_##name;					\
	}								\
	static void find_##name(void)					\
	{								\
		unsigned long addr =					\
			static_call(tiermem_lookup_name)(kernel_name);	\
									\
		if (!addr)						\
			return;						\
		static_call_update(tiermem_##name,			\
				   (typeof(&tiermem_no_##name))addr);	\
		have_##name = true;					\
	}

int tiermem_no_isolate_free_page(struct page *page, unsigned int order)
{
	return 0;
}
DEFINE_SYMBOL(isolate_free_page, "__isolate_free_page")

void tiermem_no_flush_tlb_mm_range(struct mm_struct *mm, unsigned long start,
				   unsigned long end, unsigned int stride_shift,
				   bool freed_tables)
{
}
DEFINE_SYMBOL(flush_tlb_mm_range, "flush_tlb_mm_range")

void tiermem_no_drain_all_pages(struct zone *zone)
{
}
DEFINE_SYMBOL(drain_all_pages, "drain_all_pages")

/* The exchanger's; the kernel's headers know their types. */

void tiermem_no_lru_add_drain_all(void)
{
}
static_assert(__same_type(lru_add_drain_all, tiermem_no_lru_add_drain_all));
DEFINE_SYMBOL(lru_add_drain_all, "lru_add_drain_all")

#ifdef TIERMEM_HAVE_PTE_MAP_LOCK
pte_t *tiermem_no_pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd,
				      unsigned long addr, spinlock_t **lock)
{
	return NULL;
}
static_assert(__same_type(TIERMEM_HAVE_PTE_MAP_LOCK, tiermem_no_pte_offset_map_lock));
DEFINE_SYMBOL(pte_offset_map_lock, __stringify(TIERMEM_HAVE_PTE_MAP_LOCK))
#endif

#ifdef TIERMEM_HAVE_FOLIO_RMAP
void tiermem_no_folio_add_anon_rmap_ptes(struct folio *folio, struct page *page,
					 int nr_pages, struct vm_area_struct *vma,
					 unsigned long addr, rmap_t flags)
{
}
static_assert(__same_type(folio_add_anon_rmap_ptes, tiermem_no_folio_add_anon_rmap_ptes));
DEFINE_SYMBOL(folio_add_anon_rmap_ptes, "folio_add_anon_rmap_ptes")

void tiermem_no_folio_remove_rmap_ptes(struct folio *folio, struct page *page,
				       int nr_pages, struct vm_area_struct *vma)
{
}
static_assert(__same_type(folio_remove_rmap_ptes, tiermem_no_folio_remove_rmap_ptes));
DEFINE_SYMBOL(folio_remove_rmap_ptes, "folio_remove_rmap_ptes")

void tiermem_no_folio_remove_rmap_pmd(struct folio *folio, struct page *page,
				      struct vm_area_struct *vma)
{
}
static_assert(__same_type(folio_remove_rmap_pmd, tiermem_no_folio_remove_rmap_pmd));
DEFINE_SYMBOL(folio_remove_rmap_pmd, "folio_remove_rmap_pmd")
#else
void tiermem_no_page_add_anon_rmap(struct page *page, struct vm_area_struct *vma,
				   unsigned long addr, rmap_t flags)
{
}
static_assert(__same_type(page_add_anon_rmap, tiermem_no_page_add_anon_rmap));
DEFINE_SYMBOL(page_add_anon_rmap, "page_add_anon_rmap")

void tiermem_no_page_remove_rmap(struct page *page, struct vm_area_struct *vma,
				 bool compound)
{
}
static_assert(__same_type(page_remove_rmap, tiermem_no_page_remove_rmap));
DEFINE_SYMBOL(page_remove_rmap, "page_remove_rmap")
#endif

#ifdef TIERMEM_HAVE_NOTIFYING_FLUSH
int tiermem_no_invalidate_start(struct mmu_notifier_range *range)
{
	return 0;
}
DEFINE_SYMBOL(invalidate_start, "__mmu_notifier_invalidate_range_start")

void tiermem_no_invalidate_end(struct mmu_notifier_range *range)
{
}
DEFINE_SYMBOL(invalidate_end, "__mmu_notifier_invalidate_range_end")

bool tiermem_can_notify(void)
{
	return have_invalidate_start && have_invalidate_end;
}
#else
bool tiermem_can_notify(void)
{
	return false;
}
#endif

void tiermem_no_set_numabalancing_state(bool enabled)
{
}
DEFINE_SYMBOL(set_numabalancing_state, "set_numabalancing_state")

void *tiermem_kernel_data(const char *name)
{
	return (void *)static_call(tiermem_lookup_name)(name);
}

/* The migration's. */

tiermem_isolated_t tiermem_no_folio_isolate_lru(struct folio *folio)
{
	return 0;
}
DEFINE_SYMBOL(folio_isolate_lru, "folio_isolate_lru")

int tiermem_no_migrate_pages(struct list_head *from, tiermem_target_t target,
			     tiermem_untarget_t untarget, unsigned long private,
			     enum migrate_mode mode, tiermem_reason_t reason,
			     unsigned int *succeeded)
{
	return 0;
}
static_assert(__same_type(migrate_pages, tiermem_no_migrate_pages));
DEFINE_SYMBOL(migrate_pages, "migrate_pages")

void tiermem_no_putback_movable_pages(struct list_head *pages)
{
}
static_assert(__same_type(putback_movable_pages, tiermem_no_putback_movable_pages));
DEFINE_SYMBOL(putback_movable_pages, "putback_movable_pages")

void tiermem_no_rmap_walk(struct folio *folio, struct rmap_walk_control *control)
{
}
static_assert(__same_type(rmap_walk, tiermem_no_rmap_walk));
DEFINE_SYMBOL(rmap_walk, "rmap_walk")

static void find_for_migration(void)
{
	find_rmap_walk();
	find_folio_isolate_lru();
	find_migrate_pages();
	find_putback_movable_pages();
}

const char *tiermem_missing_for_migration(void)
{
	if (!have_folio_isolate_lru)
		return "folio_isolate_lru";
	if (!have_migrate_pages)
		return "migrate_pages";
	return have_putback_movable_pages ? NULL : "putback_movable_pages";
}

static void find_for_exchange(void)
{
	find_lru_add_drain_all();
#ifdef TIERMEM_HAVE_NOTIFYING_FLUSH
	find_invalidate_start();
	find_invalidate_end();
#endif
#ifdef TIERMEM_HAVE_PTE_MAP_LOCK
	find_pte_offset_map_lock();
#endif
#ifdef TIERMEM_HAVE_FOLIO_RMAP
	find_folio_add_anon_rmap_ptes();
	find_folio_remove_rmap_ptes();
	find_folio_remove_rmap_pmd();
#else
	find_page_add_anon_rmap();
	find_page_remove_rmap();
#endif
}

const char *tiermem_missing_for_exchange(void)
{
	if (!have_flush_tlb_mm_range)
		return "flush_tlb_mm_range";
	if (!have_lru_add_drain_all)
		return "lru_add_drain_all";
#ifdef TIERMEM_HAVE_PTE_MAP_LOCK
	if (!have_pte_offset_map_lock)
		return __stringify(TIERMEM_HAVE_PTE_MAP_LOCK);
#endif
#ifdef TIERMEM_HAVE_FOLIO_RMAP
	if (!have_folio_add_anon_rmap_ptes)
		return "folio_add_anon_rmap_ptes";
	if (!have_folio_remove_rmap_ptes)
		return "folio_remove_rmap_ptes";
	if (!have_folio_remove_rmap_pmd)
		return "folio_remove_rmap_pmd";
#else
	if (!have_page_add_anon_rmap)
		return "page_add_anon_rmap";
	if (!have_page_remove_rmap)
		return "page_remove_rmap";
#endif
	return NULL;
}

int tiermem_symbols_init(void)
{
	int ret = find_lookup_name();

	if (ret)
		return ret;
	find_isolate_free_page();
	find_flush_tlb_mm_range();
	find_drain_all_pages();
	find_for_exchange();
	find_for_migration();
	find_set_numabalancing_state();
	return 0;
}
