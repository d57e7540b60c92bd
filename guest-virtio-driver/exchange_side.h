/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exchange_side.h - the two sides of a pair, between the exchanger's files
 *
 *   exchange.c ──> exchange_side.c ──> exchange_refuse.c
 *   batches │       page tables: take     what may not
 *           │       out, put back         be exchanged
 *           └────> exchange_trade.c ───────^
 *                   contents and identities; loose folios
 *
 * A side passes through these states; all of its batch, under the mmap lock:
 *
 *   mapped ─tiermem_side_take─> taken ─(trade)─> taken ─tiermem_side_put─> mapped
 *
 * While taken, a migration entry stands in the page table, so who touches the
 * page waits for the folio's lock, which we hold. The mapping's count and its
 * reference stay with the folio, and pass to the other side in a trade.
 *
 * PTE and PMD entries have the same bits on x86, as hugetlb relies on too: both
 * are handled as pte_t here, and only stores and frame numbers differ.
 */
#ifndef TIERMEM_EXCHANGE_SIDE_H
#define TIERMEM_EXCHANGE_SIDE_H

#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>

#include "exchange.h"
#include "kernel_symbols.h"

/* What the policy and cpuset of an address space's owner say about a node. */
struct tiermem_node_verdict {
	int nid;		/* NUMA_NO_NODE: not asked yet */
	bool policy_allows;
	bool cpuset_allows;
};

/* An address space of a batch. */
struct tiermem_space {
	struct mm_struct *mm;
	unsigned int taken;	/* sides */
	struct tiermem_node_verdict verdicts[2];	/* by the node's last bit */
};

struct tiermem_side {
	struct tiermem_space *space;
	unsigned long addr;
	struct vm_area_struct *vma;	/* valid from take to put */
	struct folio *folio;		/* taken from or to be put there; or NULL */
	pte_t old;			/* the entry that was there */
	pte_t absent;			/* the entry that stands for it */
	bool used;			/* reclaim shall see it as just used */
	bool off_lru;			/* what is in its place at the end goes on an LRU list */
	int refs;			/* of a loose folio, while nobody else knows of it */
};

/* A side without an address space. */
static inline bool tiermem_is_loose(const struct tiermem_side *side)
{
	return !side->space;
}

/* The page table that is locked now, at most one. All sides have one size. */
struct tiermem_cursor {
	bool huge;
	struct mm_struct *mm;
	unsigned long base;	/* address of the table's first page */
	pmd_t *pmd;
	pte_t *table;		/* NULL: the lock is the PMD's */
	spinlock_t *lock;	/* NULL: none */
	struct vm_area_struct *vma;	/* looked up last, and its verdict */
	enum tiermem_exchange_outcome vma_outcome;
};

/* exchange_side.c. The mmap locks of all sides are held for reading. */

/*
 * TIERMEM_EXCHANGED: the side is taken, and its folio locked. Any other outcome:
 * nothing has changed. Returns with the cursor's lock held.
 */
enum tiermem_exchange_outcome tiermem_side_take(struct tiermem_cursor *cursor,
						struct tiermem_side *side);
/*
 * Map side->folio where the side was taken, as far as the place is still there.
 * The caller has a reference of its own to the folio beside the mapping's.
 * Returns with the cursor's lock held.
 */
void tiermem_side_put(struct tiermem_cursor *cursor, struct tiermem_side *side,
		      struct tiermem_exchange_stats *stats);
/* Take the lock under which the side's entry is, if that is still there. */
void tiermem_side_lock(struct tiermem_cursor *cursor, const struct tiermem_side *side);
/* Drop the cursor's lock. */
void tiermem_cursor_release(struct tiermem_cursor *cursor);

/* exchange_trade.c */

/*
 * Lock a loose folio, which the caller has a reference to, and take it off its LRU list.
 * Outcomes as of tiermem_side_take(). The side has a reference more then, its own.
 */
enum tiermem_exchange_outcome tiermem_loose_take(struct tiermem_side *side, struct folio *folio);
/*
 * Both sides are taken. Whatever the outcome, each folio has one more reference then,
 * the side's: a page that is zapped as soon as it is back must not be freed while it
 * is locked. *@cold_refused: the refusal is the cold side's.
 */
enum tiermem_exchange_outcome tiermem_side_trade(struct tiermem_side *hot,
						 struct tiermem_side *cold,
						 bool *cold_refused);
/* Both are back: unlock the folio, and give up the side's reference. */
void tiermem_side_finish(struct tiermem_side *side);

/*
 * exchange_refuse.c: TIERMEM_EXCHANGED if nothing speaks against it. They change
 * nothing and never sleep.
 */

/* The mmap lock is held. @alone: the batch has no other address space. */
enum tiermem_exchange_outcome tiermem_refuse_space(struct mm_struct *mm, bool alone);
/* The mmap lock is held. */
enum tiermem_exchange_outcome tiermem_refuse_vma(struct vm_area_struct *vma);
/* Under the page table's lock. */
enum tiermem_exchange_outcome tiermem_refuse_entry(pte_t entry);
/* The same, and the folio is locked. */
enum tiermem_exchange_outcome tiermem_refuse_folio(struct folio *folio,
						   struct page *page);
/* A loose folio is locked. */
enum tiermem_exchange_outcome tiermem_refuse_loose(struct folio *folio);
/* May a page of the mapping lie on the node? The mmap lock is held. */
enum tiermem_exchange_outcome tiermem_refuse_node(struct tiermem_space *space,
						  const struct vm_area_struct *vma,
						  int nid);
/* Both sides are taken from page tables. *@cold_refused: the refusal is the cold side's. */
enum tiermem_exchange_outcome tiermem_refuse_trade(struct tiermem_side *hot,
						   struct tiermem_side *cold,
						   bool *cold_refused);

/* An address space whose owner has not been asked yet. */
static inline struct tiermem_space tiermem_new_space(struct mm_struct *mm)
{
	return (struct tiermem_space) {
		.mm = mm, .verdicts = { { .nid = NUMA_NO_NODE }, { .nid = NUMA_NO_NODE } },
	};
}

/* How often a lock is waited for, and how long each time, at least. */
#define TIERMEM_PATIENCE 16
#define TIERMEM_PAUSE_US 500

/*
 * Take the mmap lock for reading, but wait a few milliseconds at most: its owner
 * may hold it for seconds, and who unloads the driver would wait as long. False:
 * not taken. *@patience, TIERMEM_PATIENCE at first, is for all locks that one call
 * of the exchanger or of the migration takes. May sleep.
 */
static inline bool tiermem_lock_space(struct mm_struct *mm, unsigned int *patience)
{
	might_sleep();
	while (!mmap_read_trylock(mm)) {
		if (!*patience)
			return false;
		--*patience;
		usleep_range(TIERMEM_PAUSE_US, 2 * TIERMEM_PAUSE_US);
	}
	return true;
}

/* Takes a reference. Only where tiermem_have_folio_isolate_lru(). */
static inline bool tiermem_isolate(struct folio *folio)
{
#ifdef TIERMEM_HAVE_NEW_FOLIO
	return static_call(tiermem_folio_isolate_lru)(folio);
#else
	return !static_call(tiermem_folio_isolate_lru)(folio);
#endif
}

static inline unsigned long tiermem_size(bool huge)
{
	return huge ? HPAGE_PMD_SIZE : PAGE_SIZE;
}

#endif /* TIERMEM_EXCHANGE_SIDE_H */
