/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exchange.h - pages of running programs trade places, pair by pair
 *
 *   before   hot.addr ──> page on slow      after   hot.addr ──> page on fast
 *            cold.addr ─> page on fast              cold.addr ─> page on slow
 *
 * No free page is needed and nothing is allocated. A pair is two base pages or
 * two huge ones (2 MiB, mapped by a PMD), of one address space or of two. Each
 * pair is exchanged whole or left as it was; its outcome says why.
 *
 * In the place of one side there may be a loose folio, one that no page table maps:
 * page cache or shared memory, which trades like a page, or a page fresh from the
 * allocator, into which the other moves.
 *
 * Pairs are carried out in batches with one TLB flush for each address space.
 * A batch is a run of consecutive pairs of one size in at most two address
 * spaces, so callers put pairs of the same two address spaces together. Inside
 * a batch the order does not matter. Address spaces that an MMU notifier watches
 * (KVM, GPUs) are exchanged in batches of their own, between invalidate_range_start
 * and _end; those that trade with another one are refused, and before 6.6 all are:
 * there, flushing a TLB does not tell devices. A thread that touches a page under way
 * waits for the rest of its batch (huge: of its pair).
 */
#ifndef TIERMEM_EXCHANGE_H
#define TIERMEM_EXCHANGE_H

#include <linux/types.h>

struct folio;
struct mm_struct;

#define TIERMEM_EXCHANGE_BATCH 512	/* pairs of base pages */
#define TIERMEM_EXCHANGE_HUGE_BATCH 8	/* pairs of huge pages */

/* What has become of a pair. exchange_refuse.c has the names for sysfs. */
enum tiermem_exchange_outcome {
	TIERMEM_EXCHANGED,
	TIERMEM_REFUSED_UNAVAILABLE,	/* the kernel lacks a service */
	TIERMEM_REFUSED_ARGUMENT,	/* an address is not aligned to the size */
	TIERMEM_REFUSED_SPACE_BUSY,	/* two mmap locks were not free at a time */
	TIERMEM_REFUSED_NOTIFIER,	/* an MMU notifier watches; see below */
	TIERMEM_REFUSED_MAPPING,	/* no mapping, or not private anonymous */
	TIERMEM_REFUSED_LOCKED,		/* mlock */
	TIERMEM_REFUSED_USERFAULTFD,	/* registered with userfaultfd */
	TIERMEM_REFUSED_ABSENT,		/* nothing is mapped at the address */
	TIERMEM_REFUSED_SIZE,		/* mapped in another size, or in part */
	TIERMEM_REFUSED_SPECIAL,	/* zero page, device memory, reserved */
	TIERMEM_REFUSED_KSM,		/* merged with equal pages */
	TIERMEM_REFUSED_POISONED,	/* the hardware has lost its content */
	TIERMEM_REFUSED_LAZYFREE,	/* MADV_FREE: about to be dropped */
	TIERMEM_REFUSED_SWAPCACHE,	/* has a place in swap */
	TIERMEM_REFUSED_WRITEBACK,	/* being written to swap */
	TIERMEM_REFUSED_PINNED,		/* for DMA, or for a system call */
	TIERMEM_REFUSED_SHARED,		/* mapped elsewhere, or was (fork) */
	TIERMEM_REFUSED_REFERENCED,	/* the kernel is at work on it */
	TIERMEM_REFUSED_PAGE_BUSY,	/* its lock was not free */
	TIERMEM_REFUSED_CGROUP,		/* charged to different memory cgroups */
	TIERMEM_REFUSED_POLICY,		/* a memory policy excludes the node */
	TIERMEM_REFUSED_CPUSET,		/* the cpuset excludes the node */
	TIERMEM_REFUSED_LATE,		/* somebody took a reference meanwhile */
	TIERMEM_EXCHANGE_OUTCOMES
};

struct tiermem_place {
	struct mm_struct *mm;		/* the caller holds mm_users */
	unsigned long addr;		/* bytes, aligned to the pair's size */
};

struct tiermem_pair {
	struct tiermem_place hot;	/* reclaim will see it as just used */
	struct tiermem_place cold;
	/*
	 * For the side whose mm is NULL: a folio of 4 KiB, with a reference of the
	 * caller's. After an exchange the one that is loose now, with that reference: the
	 * file's new folio, or what is to be freed in place of the fresh page.
	 */
	struct folio *loose;
	bool huge;
	/* Written by tiermem_exchange(). */
	bool cold_refused;		/* the refusal is the cold side's, not the hot one's */
	enum tiermem_exchange_outcome outcome;
};

/* Counts since the owner of the structure has zeroed it. */
struct tiermem_exchange_stats {
	u64 pairs[TIERMEM_EXCHANGE_OUTCOMES];
	u64 huge;	/* of pairs[TIERMEM_EXCHANGED] */
	u64 batches;
	u64 flushes;	/* of a TLB, by batch and address space */
	/* Sides whose page table was changed by others while under way. */
	u64 rebuilt;	/* changed, such as by a scan for NUMA balancing */
	u64 zapped;	/* unmapped */
	u64 split;	/* a huge page that is mapped by base pages now */
};

/*
 * Exchange @nr pairs, write each one's outcome and add to @stats. Returns how
 * many were exchanged. The second of two pairs that name the same page is
 * refused as absent.
 *
 * Process context, may sleep. The caller holds no lock that page faults or
 * reclaim take, in particular no mmap lock. One call runs at a time, others
 * wait. Takes the mmap locks for reading; of two, one is waited for and the other
 * is tried, a few times in turn.
 */
unsigned int tiermem_exchange(struct tiermem_pair *pairs, unsigned int nr,
			      struct tiermem_exchange_stats *stats);

/* Why nothing can be exchanged: the name of what the kernel lacks; or NULL. */
const char *tiermem_exchange_unavailable(void);

/* A word such as "pinned"; NULL beyond the last outcome. */
const char *tiermem_exchange_outcome_name(enum tiermem_exchange_outcome outcome);

#endif /* TIERMEM_EXCHANGE_H */
