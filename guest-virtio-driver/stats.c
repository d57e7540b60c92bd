// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Statistics for the host: one buffer, kept by the device until it wants a
 * newer one, so that an idle guest is not woken.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "tiermem.h"

/* Per tier: total, free, reclaimable, OOM reclaims. */
#define STATS_PER_TIER 4
#define STATS_MAX (STATS_PER_TIER * VIRTIO_TIERMEM_MAX_TIERS)

unsigned long tiermem_managed_pages(const struct tiermem_tier *tier)
{
	struct zone *zones = NODE_DATA(tier->nid)->node_zones;
	unsigned long pages = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		pages += zone_managed_pages(&zones[i]);
	return pages;
}

unsigned long tiermem_free_pages(const struct tiermem_tier *tier)
{
	struct zone *zones = NODE_DATA(tier->nid)->node_zones;
	unsigned long pages = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		pages += zone_page_state(&zones[i], NR_FREE_PAGES);
	return pages;
}

/* node_page_state() is not exported; the counter may lag by a few pages. */
static unsigned long node_counter(int nid, enum node_stat_item item)
{
	long value = atomic_long_read(&NODE_DATA(nid)->vm_stat[item]);

	return max(value, 0L);
}

unsigned long tiermem_reclaimable_pages(const struct tiermem_tier *tier)
{
	return node_counter(tier->nid, NR_ACTIVE_FILE) +
	       node_counter(tier->nid, NR_INACTIVE_FILE) +
	       (node_counter(tier->nid, NR_SLAB_RECLAIMABLE_B) >> PAGE_SHIFT);
}

static void add_stat(struct tiermem *tm, unsigned int *n, u16 tag, u16 tier,
		     u64 value)
{
	tm->stats[(*n)++] = (struct virtio_tiermem_stat) {
		.tag = cpu_to_le16(tag),
		.tier = cpu_to_le16(tier),
		.value = cpu_to_le64(value),
	};
}

static unsigned int fill_stats(struct tiermem *tm)
{
	unsigned int i, n = 0;

	for (i = 0; i < tm->num_tiers; i++) {
		const struct tiermem_tier *tier = &tm->tiers[i];

		add_stat(tm, &n, VIRTIO_TIERMEM_STAT_TOTAL, i,
			 PFN_PHYS(tiermem_managed_pages(tier)));
		add_stat(tm, &n, VIRTIO_TIERMEM_STAT_FREE, i,
			 PFN_PHYS(tiermem_free_pages(tier)));
		add_stat(tm, &n, VIRTIO_TIERMEM_STAT_RECLAIMABLE, i,
			 PFN_PHYS(tiermem_reclaimable_pages(tier)));
		add_stat(tm, &n, VIRTIO_TIERMEM_STAT_OOM_RECLAIMS, i,
			 atomic64_read(&tier->oom_reclaims));
	}
	return n;
}

/* The device holds no buffer now: hand it a fresh one. */
static void send_stats(struct tiermem *tm)
{
	unsigned int n = fill_stats(tm);
	struct scatterlist sg;

	sg_init_one(&sg, tm->stats, n * sizeof(*tm->stats));
	/* One buffer in a queue of its own: there is always room. */
	if (!WARN_ON_ONCE(virtqueue_add_outbuf(tm->stats_vq, &sg, 1, tm,
					       GFP_KERNEL)))
		virtqueue_kick(tm->stats_vq);
}

static void stats_work(struct work_struct *work)
{
	struct tiermem *tm = container_of(work, struct tiermem, stats_work);
	unsigned int len;

	if (READ_ONCE(tm->running) && virtqueue_get_buf(tm->stats_vq, &len))
		send_stats(tm);
}

void tiermem_stats_wanted(struct virtqueue *vq)
{
	struct tiermem *tm = vq->vdev->priv;

	if (READ_ONCE(tm->running))
		queue_work(tm->wq, &tm->stats_work);
}

int tiermem_stats_init(struct tiermem *tm)
{
	INIT_WORK(&tm->stats_work, stats_work);
	tm->stats = kcalloc(STATS_MAX, sizeof(*tm->stats), GFP_KERNEL);
	return tm->stats ? 0 : -ENOMEM;
}

void tiermem_stats_destroy(struct tiermem *tm)
{
	kfree(tm->stats);
}

void tiermem_stats_start(struct tiermem *tm)
{
	if (tm->stats_vq)
		send_stats(tm);
}

void tiermem_stats_stop(struct tiermem *tm)
{
	cancel_work_sync(&tm->stats_work);
}
