// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the exchanger leaves alone, and what that is called.
 *
 * One reference to a page that is mapped here means that it is mapped only here
 * and that nobody else knows of it: no pin, no other process, no system call,
 * no list of pages that are being isolated. That is the base of it all; most of
 * the other checks tell apart what more than one reference may mean, so that
 * the counters say something.
 */
#include <linux/buffer_head.h>
#include <linux/cpuset.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/task.h>
#include <linux/userfaultfd_k.h>

#include "exchange_side.h"
#include "kernel_symbols.h"

#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK VM_NONE
#endif

/* Only one of these is set in a page that can be exchanged, PG_swapbacked. */
#define FLAGS_IN_QUESTION (BIT(PG_reserved) | BIT(PG_mlocked) | BIT(PG_unevictable) | \
			   BIT(PG_swapbacked) | BIT(PG_writeback) | BIT(PG_swapcache) | \
			   __PG_HWPOISON)

static const char *const outcome_names[TIERMEM_EXCHANGE_OUTCOMES] = {
	[TIERMEM_EXCHANGED] = "exchanged",
	[TIERMEM_REFUSED_UNAVAILABLE] = "unavailable",
	[TIERMEM_REFUSED_ARGUMENT] = "argument",
	[TIERMEM_REFUSED_SPACE_BUSY] = "space_busy",
	[TIERMEM_REFUSED_NOTIFIER] = "notifier",
	[TIERMEM_REFUSED_MAPPING] = "mapping",
	[TIERMEM_REFUSED_LOCKED] = "locked",
	[TIERMEM_REFUSED_USERFAULTFD] = "userfaultfd",
	[TIERMEM_REFUSED_ABSENT] = "absent",
	[TIERMEM_REFUSED_SIZE] = "size",
	[TIERMEM_REFUSED_SPECIAL] = "special",
	[TIERMEM_REFUSED_KSM] = "ksm",
	[TIERMEM_REFUSED_POISONED] = "poisoned",
	[TIERMEM_REFUSED_LAZYFREE] = "lazyfree",
	[TIERMEM_REFUSED_SWAPCACHE] = "swapcache",
	[TIERMEM_REFUSED_WRITEBACK] = "writeback",
	[TIERMEM_REFUSED_PINNED] = "pinned",
	[TIERMEM_REFUSED_SHARED] = "shared",
	[TIERMEM_REFUSED_REFERENCED] = "referenced",
	[TIERMEM_REFUSED_PAGE_BUSY] = "page_busy",
	[TIERMEM_REFUSED_CGROUP] = "cgroup",
	[TIERMEM_REFUSED_POLICY] = "policy",
	[TIERMEM_REFUSED_CPUSET] = "cpuset",
	[TIERMEM_REFUSED_LATE] = "late",
};

const char *tiermem_exchange_outcome_name(enum tiermem_exchange_outcome outcome)
{
	return outcome < ARRAY_SIZE(outcome_names) ? outcome_names[outcome] : NULL;
}

/*
 * Ranges of two address spaces would be announced one inside of the other, which
 * the kernel never does.
 */
enum tiermem_exchange_outcome tiermem_refuse_space(struct mm_struct *mm, bool alone)
{
	mmap_assert_locked(mm);
	if (mm_has_notifiers(mm) && !(alone && tiermem_can_notify()))
		return TIERMEM_REFUSED_NOTIFIER;
	return TIERMEM_EXCHANGED;
}

enum tiermem_exchange_outcome tiermem_refuse_vma(struct vm_area_struct *vma)
{
	if (!vma || !vma_is_anonymous(vma) ||
	    (vma->vm_flags & (VM_SHARED | VM_PFNMAP | VM_MIXEDMAP | VM_IO |
			      VM_HUGETLB | VM_SHADOW_STACK)))
		return TIERMEM_REFUSED_MAPPING;
	if (vma->vm_flags & VM_LOCKED)
		return TIERMEM_REFUSED_LOCKED;
	if (userfaultfd_armed(vma))
		return TIERMEM_REFUSED_USERFAULTFD;
	/* Without one, at most the zero page is mapped. */
	return vma->anon_vma ? TIERMEM_EXCHANGED : TIERMEM_REFUSED_ABSENT;
}

enum tiermem_exchange_outcome tiermem_refuse_entry(pte_t entry)
{
	if (!pte_present(entry))
		return TIERMEM_REFUSED_ABSENT;
	return pte_special(entry) ? TIERMEM_REFUSED_SPECIAL : TIERMEM_EXCHANGED;
}

/* More than one reference: whose could they be? */
static enum tiermem_exchange_outcome why_referenced(struct folio *folio,
						    struct page *page)
{
	if (folio_maybe_dma_pinned(folio))
		return TIERMEM_REFUSED_PINNED;
	return PageAnonExclusive(page) ? TIERMEM_REFUSED_REFERENCED :
					 TIERMEM_REFUSED_SHARED;
}

static bool poisoned(struct folio *folio)
{
	return folio_test_hwpoison(folio) ||
	       (folio_test_large(folio) && folio_test_has_hwpoisoned(folio));
}

static enum tiermem_exchange_outcome why_not_folio(struct folio *folio, struct page *page)
{
	if (folio_test_ksm(folio))
		return TIERMEM_REFUSED_KSM;
	if (!folio_test_anon(folio) || folio_test_reserved(folio) ||
	    folio_is_zone_device(folio))
		return TIERMEM_REFUSED_SPECIAL;
	if (poisoned(folio))
		return TIERMEM_REFUSED_POISONED;
	if (folio_test_mlocked(folio) || folio_test_unevictable(folio))
		return TIERMEM_REFUSED_LOCKED;
	if (!folio_test_swapbacked(folio))
		return TIERMEM_REFUSED_LAZYFREE;
	if (folio_test_writeback(folio))
		return TIERMEM_REFUSED_WRITEBACK;
	if (folio_test_swapcache(folio))
		return TIERMEM_REFUSED_SWAPCACHE;
	if (folio_ref_count(folio) != 1)
		return why_referenced(folio, page);
	return TIERMEM_EXCHANGED;
}

/* Most pages pass one look at their flags. */
enum tiermem_exchange_outcome tiermem_refuse_folio(struct folio *folio,
						   struct page *page)
{
	unsigned long flags = *folio_flags(folio, 0) & FLAGS_IN_QUESTION;

	if (likely(flags == BIT(PG_swapbacked) && folio_ref_count(folio) == 1 &&
		   folio_test_anon(folio) && !folio_test_ksm(folio) &&
		   !folio_is_zone_device(folio) && !folio_test_large(folio)))
		return TIERMEM_EXCHANGED;
	return why_not_folio(folio, page);
}

/* The ways of migrating that, without private data, are all the same. */
static bool migrates_plainly(const struct address_space *mapping)
{
	const void *migrate = mapping->a_ops->migrate_folio;

#ifdef TIERMEM_HAVE_BUFFER_HEAD
	if (migrate && migrate == buffer_migrate_folio)
		return true;
#endif
	return migrate && (migrate == migrate_folio || migrate == filemap_migrate_folio);
}

/* To be dropped from the cache after use: a flag that would stay with the frame. */
static bool drops_behind(struct folio *folio)
{
#ifdef TIERMEM_HAVE_DROPBEHIND
	return folio_test_dropbehind(folio);
#else
	return false;
#endif
}

static enum tiermem_exchange_outcome refuse_cache(struct folio *folio)
{
	if (folio_test_private(folio) || folio_test_private_2(folio) || drops_behind(folio) ||
	    folio_test_reserved(folio) || folio_is_zone_device(folio))
		return TIERMEM_REFUSED_SPECIAL;
	if (poisoned(folio))
		return TIERMEM_REFUSED_POISONED;
	if (folio_test_mlocked(folio) || folio_test_unevictable(folio))
		return TIERMEM_REFUSED_LOCKED;
	if (folio_test_swapcache(folio))
		return TIERMEM_REFUSED_SWAPCACHE;
	if (folio_test_writeback(folio) ||
	    (folio_test_dirty(folio) && !folio_test_swapbacked(folio)))
		return TIERMEM_REFUSED_WRITEBACK;
	if (folio_mapped(folio))
		return TIERMEM_REFUSED_MAPPING;
	if (folio_maybe_dma_pinned(folio))
		return TIERMEM_REFUSED_PINNED;
	return migrates_plainly(folio->mapping) ? TIERMEM_EXCHANGED : TIERMEM_REFUSED_SPECIAL;
}

/* A lookup of a frozen folio in the page cache spins, which a real-time kernel may do for ever. */
enum tiermem_exchange_outcome tiermem_refuse_loose(struct folio *folio)
{
	if (folio_test_large(folio))
		return TIERMEM_REFUSED_SIZE;
	/* Anonymous, of a device, in the swap cache. */
	if (folio->mapping != folio_mapping(folio))
		return TIERMEM_REFUSED_SPECIAL;
	if (folio->mapping)
		return IS_ENABLED(CONFIG_PREEMPT_RT) ? TIERMEM_REFUSED_UNAVAILABLE :
						       refuse_cache(folio);
	/* Fresh, or truncated a moment ago. */
	return folio_test_lru(folio) || folio_ref_count(folio) != 1 ?
	       TIERMEM_REFUSED_REFERENCED : TIERMEM_EXCHANGED;
}

/* A policy that names nodes keeps pages on them, whatever its mode. */
static bool policy_allows(const struct mempolicy *policy, int nid)
{
	return !policy || policy->mode == MPOL_DEFAULT ||
	       policy->mode == MPOL_LOCAL || nodes_empty(policy->nodes) ||
	       node_isset(nid, policy->nodes);
}

/*
 * The policy of a task is not kept with the pages that it allocates. The owner,
 * the first thread as a rule, speaks for the address space.
 */
static void ask_owner(const struct mm_struct *mm, struct tiermem_node_verdict *verdict)
{
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner) {
		task_lock(owner);
		verdict->policy_allows = policy_allows(owner->mempolicy, verdict->nid);
		verdict->cpuset_allows = node_isset(verdict->nid, owner->mems_allowed);
		task_unlock(owner);
	}
	rcu_read_unlock();
#endif
}

static const struct tiermem_node_verdict *verdict_on(struct tiermem_space *space, int nid)
{
	struct tiermem_node_verdict *verdict = &space->verdicts[nid & 1];

	if (verdict->nid != nid) {
		*verdict = (struct tiermem_node_verdict) {
			.nid = nid, .policy_allows = true, .cpuset_allows = true,
		};
		ask_owner(space->mm, verdict);
	}
	return verdict;
}

enum tiermem_exchange_outcome tiermem_refuse_node(struct tiermem_space *space,
						  const struct vm_area_struct *vma,
						  int nid)
{
	const struct tiermem_node_verdict *verdict = verdict_on(space, nid);
	const struct mempolicy *policy = vma->vm_policy;

	if (!verdict->cpuset_allows)
		return TIERMEM_REFUSED_CPUSET;
	if (policy ? !policy_allows(policy, nid) : !verdict->policy_allows)
		return TIERMEM_REFUSED_POLICY;
	return TIERMEM_EXCHANGED;
}

/* Not memcg_data: in 7.3 that is an obj_cgroup, of which a cgroup has one for each node. */
static bool same_cgroup(struct folio *a, struct folio *b)
{
	bool same;

	rcu_read_lock();
	same = folio_memcg(a) == folio_memcg(b);
	rcu_read_unlock();
	return same;
}

enum tiermem_exchange_outcome tiermem_refuse_trade(struct tiermem_side *hot,
						   struct tiermem_side *cold,
						   bool *cold_refused)
{
	int hot_nid = folio_nid(hot->folio), cold_nid = folio_nid(cold->folio);
	enum tiermem_exchange_outcome outcome;

	*cold_refused = false;
	/* Charges and statistics stay with the folios. */
	if (!same_cgroup(hot->folio, cold->folio))
		return TIERMEM_REFUSED_CGROUP;
	if (hot_nid == cold_nid)
		return TIERMEM_EXCHANGED;
	outcome = tiermem_refuse_node(hot->space, hot->vma, cold_nid);
	if (outcome)
		return outcome;
	*cold_refused = true;
	return tiermem_refuse_node(cold->space, cold->vma, hot_nid);
}
