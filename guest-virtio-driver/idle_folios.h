/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idle_folios.h - page cache and shared memory of a tier that nobody uses
 *
 * Folios that no page table maps have no virtual address: the sampler never hears of
 * them, and the policy core cannot rank them. Yet what programs have read or written
 * once by system calls can fill the fast tier, and stay there for as long as memory
 * is not short. A hand goes round over the tier's frames. Where it finds such a folio
 * it takes its "referenced" flag away, which the kernel sets again when it takes the
 * folio for used (folio_mark_accessed()); a folio that is still without it when the
 * hand comes back, and that is not dirty, is idle, and noted. So it takes the same for
 * idle as reclaim does. A use that taking the flag away has hidden is made good.
 *
 * As the kernel's own demotion this is a way down only (no sample would tell of what
 * is read by system calls and should come back), and asks no cpuset, as page cache
 * belongs to no task. Files in memory that are bound to nodes stay.
 *
 * No locks of its own: all under tiering.lock.
 */
#ifndef TIERMEM_IDLE_FOLIOS_H
#define TIERMEM_IDLE_FOLIOS_H

#include <linux/types.h>

struct tiermem_tier;

struct tiermem_idle {
	const struct tiermem_tier *tier;
	u8 *seen;		/* of each frame: which folio the hand found there; 0: none */
	unsigned long *noted;	/* a bit for each frame: the stock's entry holds */
	unsigned long *stock;	/* frames of folios that were idle when last seen */
	unsigned int nr;	/* of them */
	unsigned int nr_large;	/* of these, at the beginning: seen to be larger than a page */
	unsigned long hand;	/* frame, counted over the tier's regions */
	bool found;		/* in this round: something that is idle or may become so */
	u64 round_ns;		/* wanted length of a round */
	u64 last_ns;		/* until when the hand has been moved */
};

/* For @tier, from @now (ns) on. 0 or -ENOMEM. May sleep. */
int tiermem_idle_init(struct tiermem_idle *idle, const struct tiermem_tier *tier, u64 now);
/* Also after init has failed. */
void tiermem_idle_destroy(struct tiermem_idle *idle);

/*
 * Move the hand as far as it should have come by @now, within a bound for one call.
 * Not while the stock is full, and ever more slowly while nothing is found.
 */
void tiermem_idle_scan(struct tiermem_idle *idle, u64 now);

/* Pages that could be moved, as far as is known; 0 where the kernel cannot migrate. */
unsigned int tiermem_idle_stock(const struct tiermem_idle *idle);

/* One of 4 KiB that is still idle, with a reference, and not in stock any more; or NULL. */
struct folio *tiermem_idle_take(struct tiermem_idle *idle);

/*
 * Move @pages pages or a little more of what is still idle to @nid, as far as there is
 * room, until @most_ns of CPU time are spent or @stop is set. Returns how many were
 * moved. May sleep.
 */
unsigned long tiermem_idle_move(struct tiermem_idle *idle, unsigned long pages, int nid,
				u64 most_ns, const bool *stop);

#endif /* TIERMEM_IDLE_FOLIOS_H */
