/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node_room.h - how much memory of a node is to be had, in pages of 4 KiB
 *
 * What processes can get of a node ends at the low watermark of its zones: below, new
 * memory goes to the next node. All may be called anywhere but in an NMI, and take no
 * lock but where it says so; the figures are the kernel's own, as of now.
 */
#ifndef TIERMEM_NODE_ROOM_H
#define TIERMEM_NODE_ROOM_H

#include <linux/mmzone.h>

/* To be had before allocations go elsewhere. */
u64 tiermem_node_gives(int nid);
/* So many more if none waited on the CPUs' lists. */
u64 tiermem_node_withholds(int nid);
/* Free in blocks of 2 MiB and more. */
u64 tiermem_node_huge(int nid);

/*
 * New memory passes over a zone that is at its low watermark, whatever waits on the
 * CPUs' lists: those of zones that have next to nothing else are emptied. May sleep.
 */
void tiermem_node_give_room(int nid);

/*
 * An allocation that takes a block of another kind raises ("boosts") its zone's watermarks
 * by up to half, until kswapd has reclaimed as much. On a node where it has found nothing
 * to reclaim a few times (no swap, hardly any page cache) it does not run any more, and
 * what was raised stays: memory that nobody can get. So what has stood since the last
 * call, which should be a quarter of a second ago or more, is taken back, as kswapd would
 * in a few milliseconds. One caller for each @boosts, zeroed at first. Takes zone->lock.
 */
struct tiermem_boosts {
	unsigned long seen[MAX_NR_ZONES];
};

void tiermem_node_drop_boosts(int nid, struct tiermem_boosts *boosts);

#endif /* TIERMEM_NODE_ROOM_H */
