/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * residency.h - on which tier the pages of an address space are
 *
 * Reads page tables without their locks and pages not at all: the answer may be
 * old by the time that it is used, and whoever moves a page checks for himself.
 */
#ifndef TIERMEM_RESIDENCY_H
#define TIERMEM_RESIDENCY_H

#include "policy/policy.h"
#include "tiermem.h"

/*
 * Describe the first window of @mm in [@start, @end) (2 MiB-aligned) with pages
 * that could be moved between the first two tiers: 1, or 0 if there is none. After
 * some thousand empty entries: the last of them, with no page.
 * -EAGAIN when the mmap lock is not free. The caller holds mm_users.
 */
int tiermem_residency_window(const struct tiermem *tm, struct mm_struct *mm,
			     u64 start, u64 end, struct tm_window *window);

/*
 * The tier that a page is on by now: TM_TIER_*; unknown for any address that is
 * not mapped. The caller holds the mmap lock.
 */
u8 tiermem_residency_tier(const struct tiermem *tm, struct mm_struct *mm,
			  unsigned long addr);

/* May the pages of a mapping be moved at all, by exchange or by the kernel? */
static inline bool tiermem_vma_may_move(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB |
				  VM_LOCKED));
}

#endif /* TIERMEM_RESIDENCY_H */
