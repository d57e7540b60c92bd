// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that several processes map; see sharers.h.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

#include "kernel_symbols.h"
#include "page_table.h"
#include "sharers.h"
#include "spaces.h"

struct inquiry {
	struct tiermem_spaces *spaces;
	bool kept;
};

/* Large folios may, unless they say no: what they are mapped by is counted in other ways. */
static bool may_be_shared(struct folio *folio)
{
	if (folio_test_large(folio))
		return !folio_test_anon(folio) || !PageAnonExclusive(&folio->page);
	return atomic_read(&folio->_mapcount) > 0;
}

/* The other side of a fork may have copied it, and has another page there. */
static bool is_mapped_at(struct folio *folio, struct mm_struct *mm, unsigned long addr)
{
	unsigned long pfn;

	rcu_read_lock();
	pfn = tiermem_find_pfn(mm, addr);
	rcu_read_unlock();
	return pfn >= folio_pfn(folio) && pfn < folio_pfn(folio) + folio_nr_pages(folio);
}

/* False ends the walk. Of a large folio the page that comes first there speaks for all. */
static bool ask(struct folio *folio, struct vm_area_struct *vma, unsigned long addr, void *arg)
{
	struct inquiry *inquiry = arg;

	inquiry->kept = is_mapped_at(folio, vma->vm_mm, addr) &&
			tiermem_spaces_keep(inquiry->spaces, vma->vm_mm, addr);
	return !inquiry->kept;
}

bool tiermem_is_kept(struct tiermem_spaces *spaces, struct folio *folio)
{
	struct inquiry inquiry = { .spaces = spaces };
	struct rmap_walk_control control = {
		.arg = &inquiry, .rmap_one = ask, .try_lock = true,
	};

	if (!may_be_shared(folio) || !folio_trylock(folio))
		return false;
	static_call(tiermem_rmap_walk)(folio, &control);
	folio_unlock(folio);
	return inquiry.kept;
}
