// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages move to another node by the kernel's own migration; see migrate.h.
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmap_lock.h>
#include <linux/shmem_fs.h>
#include <linux/userfaultfd_k.h>
#include <linux/vmstat.h>

#include "exchange_side.h"
#include "kernel_symbols.h"
#include "migrate.h"
#include "page_table.h"
#include "residency.h"
#include "sharers.h"

/* Free pages or none: room is made by plan, never by reclaim. */
#define TARGET_GFP ((GFP_HIGHUSER_MOVABLE | __GFP_THISNODE | __GFP_NOMEMALLOC | \
		     __GFP_NORETRY | __GFP_NOWARN) & ~__GFP_RECLAIM)

#ifdef TIERMEM_HAVE_NEW_FOLIO
static struct folio *new_target(struct folio *from, unsigned long nid)
{
	return __folio_alloc(TARGET_GFP, folio_order(from), nid, NULL);
}
#else
static struct page *new_target(struct page *from, unsigned long nid)
{
	struct folio *folio = __folio_alloc(TARGET_GFP, folio_order(page_folio(from)),
					    nid, NULL);

	return folio ? &folio->page : NULL;
}
#endif

struct folio *tiermem_migrate_target(int nid)
{
	return __folio_alloc(TARGET_GFP, 0, nid, NULL);
}

/* The folio of an entry with a reference, if the entry still says so after. */
static struct folio *get_folio(const void *slot, unsigned long entry, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page)
		return NULL;
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return NULL;
	if (READ_ONCE(*(const unsigned long *)slot) == entry && page_folio(page) == folio)
		return folio;
	folio_put(folio);
	return NULL;
}

/* The folio that is mapped at an address, with a reference; or NULL. */
static struct folio *find_folio(struct mm_struct *mm, unsigned long addr)
{
	struct folio *folio = NULL;
	pmd_t *pmdp, pmd;
	pte_t *ptep, pte;

	rcu_read_lock();
	pmdp = tiermem_find_pmd(mm, addr);
	pmd = pmdp ? READ_ONCE(*pmdp) : __pmd(0);
	if (pmd_present(pmd) && pmd_leaf(pmd)) {
		folio = get_folio(pmdp, pmd_val(pmd), pmd_pfn(pmd));
	} else if (pmd_present(pmd)) {
		ptep = pte_offset_kernel(&pmd, addr);
		pte = READ_ONCE(*ptep);
		if (pte_present(pte) && !pte_special(pte))
			folio = get_folio(ptep, pte_val(pte), pte_pfn(pte));
	}
	rcu_read_unlock();
	return folio;
}

bool tiermem_migrate_add(struct list_head *list, struct folio *folio, bool huge, int nid)
{
	bool added = (!huge || folio_order(folio) == HPAGE_PMD_ORDER) &&
		     folio_nid(folio) != nid && !folio_test_hugetlb(folio) &&
		     !folio_test_unevictable(folio) && tiermem_isolate(folio);

	if (added) {
		node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
				    folio_nr_pages(folio));
		list_add_tail(&folio->lru, list);
	}
	folio_put(folio);
	return added;
}

#if defined(CONFIG_SHMEM) && defined(CONFIG_NUMA)
bool tiermem_is_bound(struct inode *inode)
{
	const struct shmem_sb_info *info = inode->i_sb->s_fs_info;

	return inode->i_sb->s_magic == TMPFS_MAGIC &&
	       (info->mpol || !RB_EMPTY_ROOT(&SHMEM_I(inode)->policy.root));
}
#else
bool tiermem_is_bound(struct inode *inode)
{
	return false;
}
#endif

static enum tiermem_migrate_refusal refuse_mapping(struct tiermem_space *space,
						   struct vm_area_struct *vma, int nid)
{
	if (!vma || !tiermem_vma_may_move(vma))
		return TIERMEM_UNMOVED_MAPPING;
	if (userfaultfd_armed(vma))
		return TIERMEM_UNMOVED_USERFAULTFD;
	if (tiermem_refuse_node(space, vma, nid))
		return TIERMEM_UNMOVED_POLICY;
	if (vma->vm_file && tiermem_is_bound(file_inode(vma->vm_file)))
		return TIERMEM_UNMOVED_BOUND;
	return TIERMEM_NOT_REFUSED;
}

static enum tiermem_migrate_refusal add_place(struct list_head *list,
					      struct tiermem_space *space, unsigned long addr,
					      const struct tiermem_migration *migration)
{
	struct vm_area_struct *vma = vma_lookup(space->mm, addr);
	enum tiermem_migrate_refusal refusal = refuse_mapping(space, vma, migration->nid);
	struct folio *folio;

	if (refusal)
		return refusal;
	folio = find_folio(space->mm, addr);
	if (!folio)
		return TIERMEM_UNMOVED_ABSENT;
	if (migration->sharers && tiermem_is_kept(migration->sharers, folio)) {
		folio_put(folio);
		return TIERMEM_UNMOVED_KEPT;
	}
	return tiermem_migrate_add(list, folio, migration->huge, migration->nid) ?
	       TIERMEM_NOT_REFUSED : TIERMEM_UNMOVED_FOLIO;
}

const char *tiermem_migrate_refusal_name(enum tiermem_migrate_refusal refusal)
{
	static const char * const names[TIERMEM_MIGRATE_REFUSALS] = {
		[TIERMEM_UNMOVED_MAPPING] = "mapping",
		[TIERMEM_UNMOVED_USERFAULTFD] = "userfaultfd",
		[TIERMEM_UNMOVED_POLICY] = "policy",
		[TIERMEM_UNMOVED_BOUND] = "bound",
		[TIERMEM_UNMOVED_ABSENT] = "absent",
		[TIERMEM_UNMOVED_KEPT] = "kept",
		[TIERMEM_UNMOVED_FOLIO] = "folio",
		[TIERMEM_UNMOVED_LATER] = "room",
	};

	return refusal < TIERMEM_MIGRATE_REFUSALS ? names[refusal] : NULL;
}

/* Places of one address space from the first on; returns how many, at least one. */
static unsigned int add_space(struct list_head *list, const struct tiermem_place *places,
			      unsigned int nr, const struct tiermem_migration *migration,
			      bool *refused, unsigned int *patience)
{
	struct tiermem_space space = tiermem_new_space(places->mm);
	bool locked = tiermem_lock_space(space.mm, patience);
	enum tiermem_migrate_refusal refusal;
	unsigned int i;

	for (i = 0; i < nr && places[i].mm == space.mm; i++) {
		/* To ask who else maps a page takes some microseconds. */
		if (i && locked && mmap_lock_is_contended(space.mm))
			break;
		refusal = locked ? add_place(list, &space, places[i].addr, migration) :
				   TIERMEM_NOT_REFUSED;
		refused[i] = refusal;
		migration->refusals[refusal] += !!refusal;
	}
	if (locked)
		mmap_read_unlock(space.mm);
	return i;
}

unsigned int tiermem_migrate_list(struct list_head *list, int nid)
{
	unsigned int succeeded = 0;

	if (list_empty(list))
		return 0;
	/* A huge page that finds no room stays whole for this reason. */
	static_call(tiermem_migrate_pages)(list, new_target, NULL, nid, MIGRATE_ASYNC,
					   MR_NUMA_MISPLACED, &succeeded);
	if (!list_empty(list))
		static_call(tiermem_putback_movable_pages)(list);
	return succeeded;
}

unsigned int tiermem_migrate(const struct tiermem_place *places, unsigned int nr,
			     const struct tiermem_migration *migration, bool *refused)
{
	unsigned int done = 0, patience = TIERMEM_PATIENCE;
	LIST_HEAD(list);

	memset(refused, 1, nr * sizeof(*refused));
	if (tiermem_migrate_unavailable() || !nr)
		return 0;
	nr = min_t(unsigned int, nr, TIERMEM_MIGRATE_BATCH);
	while (done < nr)
		done += add_space(&list, places + done, nr - done, migration,
				  refused + done, &patience);
	return tiermem_migrate_list(&list, migration->nid);
}

const char *tiermem_migrate_unavailable(void)
{
	return tiermem_missing_for_migration();
}
