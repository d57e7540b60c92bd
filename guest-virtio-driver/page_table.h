/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page_table.h - finding entries of user page tables
 *
 * The caller has found a mapping at the address or in the same 2 MiB, holds what keeps
 * that there (the mmap lock, or the lock of the reverse mapping that it was found in),
 * and the page table's lock or rcu_read_lock(). While the mapping is there its tables
 * are only replaced, and the old ones freed after a grace period. Without one, munmap()
 * frees them under the mmap lock for reading, and at once if memory is short. Entries
 * read without the page table's lock may be old.
 */
#ifndef TIERMEM_PAGE_TABLE_H
#define TIERMEM_PAGE_TABLE_H

#include <linux/mm.h>
#include <linux/pgtable.h>

/*
 * The PMD of an address, or NULL where no table of PMDs is. *@skip then is the
 * first address beyond what is known to be empty (or mapped larger than a PMD).
 */
static inline pmd_t *tiermem_find_pmd_or_skip(struct mm_struct *mm,
					      unsigned long addr,
					      unsigned long *skip)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	*skip = ALIGN(addr + 1, PGDIR_SIZE);
	if (pgd_none(READ_ONCE(*pgd)) || pgd_bad(READ_ONCE(*pgd)))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	*skip = ALIGN(addr + 1, P4D_SIZE);
	if (p4d_none(READ_ONCE(*p4d)) || p4d_bad(READ_ONCE(*p4d)))
		return NULL;
	pud = pud_offset(p4d, addr);
	*skip = ALIGN(addr + 1, PUD_SIZE);
	if (pud_none(READ_ONCE(*pud)) || !pud_present(READ_ONCE(*pud)) ||
	    pud_leaf(READ_ONCE(*pud)) || pud_bad(READ_ONCE(*pud)))
		return NULL;
	return pmd_offset(pud, addr);
}

static inline pmd_t *tiermem_find_pmd(struct mm_struct *mm, unsigned long addr)
{
	unsigned long skip;

	return tiermem_find_pmd_or_skip(mm, addr, &skip);
}

/* The frame that is mapped at an address, or ULONG_MAX; none for the zero page. */
static inline unsigned long tiermem_find_pfn(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmdp = tiermem_find_pmd(mm, addr);
	pmd_t pmd = pmdp ? READ_ONCE(*pmdp) : __pmd(0);
	pte_t pte;

	if (!pmd_present(pmd))
		return ULONG_MAX;
	if (pmd_leaf(pmd))
		return pmd_pfn(pmd) + ((addr & ~PMD_MASK) >> PAGE_SHIFT);
	pte = READ_ONCE(*pte_offset_kernel(&pmd, addr));
	return pte_present(pte) && !pte_special(pte) ? pte_pfn(pte) : ULONG_MAX;
}

#endif /* TIERMEM_PAGE_TABLE_H */
