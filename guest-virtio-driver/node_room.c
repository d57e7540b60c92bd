// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much memory of a node is to be had; see node_room.h.
 */
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "kernel_symbols.h"
#include "node_room.h"

/* A zone that gives less gets what waits on CPUs' lists, if that is as much. */
#define ROOM_PAGES 128

/* The next zone of the node, from *@i on, that has memory; NULL: no more. */
static struct zone *next_populated(int nid, int *i)
{
	struct zone *zones = NODE_DATA(nid)->node_zones;

	for (; *i < MAX_NR_ZONES; ++*i)
		if (populated_zone(&zones[*i]))
			return &zones[(*i)++];
	return NULL;
}

static u64 node_sum(int nid, u64 (*pages_of)(struct zone *zone))
{
	struct zone *zone;
	u64 pages = 0;
	int i = 0;

	while ((zone = next_populated(nid, &i)))
		pages += pages_of(zone);
	return pages;
}

/*
 * What is demoted ends on the CPUs' lists: without them the free pages seem to go and
 * to come back, by hundreds, and pages are moved for it. A promotion gets only those of
 * its own CPU.
 */
static u64 on_cpu_lists(struct zone *zone)
{
	u64 pages = 0;
	unsigned int cpu;

	for_each_online_cpu(cpu)
		pages += max(READ_ONCE(per_cpu_ptr(zone->per_cpu_pageset, cpu)->count), 0);
	return pages;
}

/* With so many pages free: above the low watermark and what is kept for lower classes. */
static u64 zone_gives_of(struct zone *zone, u64 free)
{
	u64 keeps = low_wmark_pages(zone) + zone->nr_reserved_highatomic +
		    zone->lowmem_reserve[MAX_NR_ZONES - 1];

	return free > keeps ? free - keeps : 0;
}

static u64 zone_gives(struct zone *zone)
{
	return zone_gives_of(zone, zone_page_state(zone, NR_FREE_PAGES));
}

static u64 zone_withholds(struct zone *zone)
{
	u64 free = zone_page_state(zone, NR_FREE_PAGES);

	return zone_gives_of(zone, free + on_cpu_lists(zone)) - zone_gives_of(zone, free);
}

static u64 zone_huge(struct zone *zone)
{
	unsigned int order;
	u64 pages = 0;

	for (order = HPAGE_PMD_ORDER; order < ARRAY_SIZE(zone->free_area); order++)
		pages += (u64)READ_ONCE(zone->free_area[order].nr_free) << order;
	return pages;
}

u64 tiermem_node_gives(int nid)
{
	return node_sum(nid, zone_gives);
}

u64 tiermem_node_withholds(int nid)
{
	return node_sum(nid, zone_withholds);
}

u64 tiermem_node_huge(int nid)
{
	return node_sum(nid, zone_huge);
}

void tiermem_node_give_room(int nid)
{
	struct zone *zone;
	int i = 0;

	while ((zone = next_populated(nid, &i)))
		if (zone_gives(zone) < ROOM_PAGES && zone_withholds(zone) >= ROOM_PAGES)
			static_call(tiermem_drain_all_pages)(zone);
}

void tiermem_node_drop_boosts(int nid, struct tiermem_boosts *boosts)
{
	struct zone *zone;
	int i = 0;

	while ((zone = next_populated(nid, &i))) {
		unsigned long *seen = &boosts->seen[i - 1];

		if (*seen && READ_ONCE(zone->watermark_boost)) {
			spin_lock_irq(&zone->lock);
			zone->watermark_boost -= min(zone->watermark_boost, *seen);
			spin_unlock_irq(&zone->lock);
		}
		*seen = READ_ONCE(zone->watermark_boost);
	}
}
