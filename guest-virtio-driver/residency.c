// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * On which tier pages are; see residency.h.
 */
#include <linux/mm.h>
#include <linux/mmap_lock.h>

#include "page_table.h"
#include "residency.h"

#define WINDOW_SIZE (1UL << TM_WINDOW_SHIFT)
/* Steps over empty entries in one call: some 100 us. The core asks on from there. */
#define STEPS_MAX 4096

static_assert(TM_WINDOW_SHIFT == PMD_SHIFT);

/* The region that holds a page, and its tier in *@tier; NULL: none of ours. */
static const struct tiermem_region *find_region(const struct tiermem *tm,
						unsigned long pfn, u8 *tier)
{
	unsigned int t, r;

	for (t = TM_TIER_FAST; t <= TM_TIER_SLOW; t++) {
		const struct tiermem_tier *at = &tm->tiers[t];

		for (r = 0; r < at->nr_regions; r++) {
			if (pfn >= at->regions[r].start_pfn && pfn < at->regions[r].end_pfn) {
				*tier = t;
				return &at->regions[r];
			}
		}
	}
	*tier = TM_TIER_UNKNOWN;
	return NULL;
}

static u8 tier_of(const struct tiermem *tm, unsigned long pfn)
{
	u8 tier;

	find_region(tm, pfn, &tier);
	return tier;
}

/* The zero page is mapped as special. */
static bool has_page(pte_t pte)
{
	return pte_present(pte) && !pte_special(pte);
}

static void add_huge(const struct tiermem *tm, struct tm_window *window, pmd_t pmd)
{
	const u8 tier = tier_of(tm, pmd_pfn(pmd));

	if (tier == TM_TIER_UNKNOWN)
		return;
	window->huge = 1;
	memset(window->present, 0xff, sizeof(window->present));
	if (tier == TM_TIER_FAST)
		memset(window->fast, 0xff, sizeof(window->fast));
}

/*
 * As tier_of(). Windows are walked by the hundred: the region of the last page
 * of either tier is asked before there is a search.
 */
static u8 tier_by_last(const struct tiermem *tm, const struct tiermem_region *last[2],
		       unsigned long pfn)
{
	const struct tiermem_region *found;
	u8 tier;

	for (tier = TM_TIER_FAST; tier <= TM_TIER_SLOW; tier++)
		if (pfn >= last[tier]->start_pfn && pfn < last[tier]->end_pfn)
			return tier;
	found = find_region(tm, pfn, &tier);
	if (found)
		last[tier] = found;
	return tier;
}

static void add_ptes(const struct tiermem *tm, struct tm_window *window,
		     const pte_t *ptep, unsigned int page, unsigned int end)
{
	static const struct tiermem_region none;
	const struct tiermem_region *last[2] = { &none, &none };
	pte_t pte;
	u8 tier;

	for (; page < end; page++, ptep++) {
		pte = READ_ONCE(*ptep);
		if (!has_page(pte))
			continue;
		tier = tier_by_last(tm, last, pte_pfn(pte));
		if (tier == TM_TIER_UNKNOWN)
			continue;
		window->present[page / 64] |= BIT_ULL(page % 64);
		if (tier == TM_TIER_FAST)
			window->fast[page / 64] |= BIT_ULL(page % 64);
	}
}

/* What one mapping has in a window. Under rcu_read_lock(). */
static void add_piece(const struct tiermem *tm, struct tm_window *window,
		      pmd_t pmd, unsigned long addr, unsigned long end)
{
	const unsigned int page = (addr & (WINDOW_SIZE - 1)) >> PAGE_SHIFT;

	if (!pmd_present(pmd))
		return;
	if (pmd_leaf(pmd)) {
		if (end - addr == WINDOW_SIZE)
			add_huge(tm, window, pmd);
		return;
	}
	add_ptes(tm, window, pte_offset_kernel(&pmd, addr), page,
		 page + ((end - addr) >> PAGE_SHIFT));
}

/* Where the next entry of a PMD table that is not empty may be, from @addr on. */
static unsigned long next_populated(struct mm_struct *mm, unsigned long addr,
				    unsigned long end, unsigned int *steps)
{
	unsigned long skip;
	pmd_t *pmd;

	rcu_read_lock();
	while (addr < end && *steps) {
		pmd = tiermem_find_pmd_or_skip(mm, addr, &skip);
		if (pmd && !pmd_none(READ_ONCE(*pmd)))
			break;
		addr = pmd ? ALIGN(addr + 1, WINDOW_SIZE) : skip;
		--*steps;
	}
	rcu_read_unlock();
	return addr;
}

/* All mappings in the window that begins at @start; may share it. */
static bool describe(const struct tiermem *tm, struct mm_struct *mm,
		     unsigned long start, struct tm_window *window)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;
	pmd_t *pmd;
	unsigned int i;

	*window = (struct tm_window) { .start = start };
	rcu_read_lock();
	pmd = tiermem_find_pmd(mm, start);
	for_each_vma_range(vmi, vma, start + WINDOW_SIZE) {
		if (!pmd)
			break;
		if (tiermem_vma_may_move(vma))
			add_piece(tm, window, READ_ONCE(*pmd),
				  max(start, vma->vm_start),
				  min(start + WINDOW_SIZE, vma->vm_end));
	}
	rcu_read_unlock();
	for (i = 0; i < ARRAY_SIZE(window->present); i++)
		if (window->present[i])
			return true;
	return false;
}

static int find_window(const struct tiermem *tm, struct mm_struct *mm,
		       unsigned long addr, unsigned long end,
		       struct tm_window *window)
{
	struct vm_area_struct *vma;
	unsigned int steps = STEPS_MAX;

	/* Each step leaves an entry behind that is empty. */
	while (steps) {
		vma = find_vma(mm, addr);
		if (!vma || vma->vm_start >= end)
			return 0;
		addr = max(addr, vma->vm_start & PMD_MASK);
		if (tiermem_vma_may_move(vma))
			addr = next_populated(mm, addr, min(end, vma->vm_end), &steps);
		else
			addr = vma->vm_end;
		if (addr >= end)
			return 0;
		if (addr >= vma->vm_end || !steps)
			continue;
		if (describe(tm, mm, addr & PMD_MASK, window))
			return 1;
		addr = (addr & PMD_MASK) + WINDOW_SIZE;
		steps--;
		cond_resched();
	}
	*window = (struct tm_window) { .start = (addr - 1) & PMD_MASK };
	return 1;
}

int tiermem_residency_window(const struct tiermem *tm, struct mm_struct *mm,
			     u64 start, u64 end, struct tm_window *window)
{
	int ret;

	end = min_t(u64, end, TASK_SIZE_MAX);
	if (start >= end)
		return 0;
	if (!mmap_read_trylock(mm))
		return -EAGAIN;
	ret = find_window(tm, mm, start, end, window);
	mmap_read_unlock(mm);
	return ret;
}

u8 tiermem_residency_tier(const struct tiermem *tm, struct mm_struct *mm,
			  unsigned long addr)
{
	unsigned long pfn;

	/* Tables that no mapping has any more are freed under the lock for reading. */
	if (!vma_lookup(mm, addr))
		return TM_TIER_UNKNOWN;
	rcu_read_lock();
	pfn = tiermem_find_pfn(mm, addr);
	rcu_read_unlock();
	return tier_of(tm, pfn);
}
