// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Statistics for the host: one buffer, kept by the device until it wants a
 * newer one, so that an idle guest is not woken.
 */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "tiermem.h"

/* Per tier: total, free, reclaimable, OOM reclaims. */
#define STATS_PER_TIER 4
/* Promoted, demoted, samples of two tiers; failures, stages, the curve. */
#define STATS_OF_TIERING (4 + TIERMEM_EXCHANGE_OUTCOMES + TIERMEM_STAGES + \
			  2 * TM_CURVE_POINTS)
#define STATS_MAX (STATS_PER_TIER * VIRTIO_TIERMEM_MAX_TIERS + STATS_OF_TIERING)
#define NO_TIER VIRTIO_TIERMEM_STAT_NO_TIER

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

static void add_indexed(struct tiermem *tm, unsigned int *n, u16 tag, u16 tier,
			u32 index, u64 value)
{
	tm->stats[(*n)++] = (struct virtio_tiermem_stat) {
		.tag = cpu_to_le16(tag),
		.tier = cpu_to_le16(tier),
		.index = cpu_to_le32(index),
		.value = cpu_to_le64(value),
	};
}

static void add_stat(struct tiermem *tm, unsigned int *n, u16 tag, u16 tier,
		     u64 value)
{
	add_indexed(tm, n, tag, tier, 0, value);
}

static u64 managed_bytes(const struct tiermem *tm)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < tm->num_tiers; i++)
		sum += PFN_PHYS(tiermem_managed_pages(&tm->tiers[i]));
	return sum;
}

/*
 * The policy core counts a page once for each address space that maps it. The
 * curve ends where it has as many bytes as the guest. Returns the points left.
 */
static unsigned int end_curve(struct tm_curve_point *points, unsigned int nr,
			      u64 most)
{
	struct tm_curve_point before = {};
	unsigned int i;

	for (i = 0; i < nr && points[i].bytes <= most; i++)
		before = points[i];
	if (i == nr || before.bytes == most)
		return i;
	points[i].accesses = before.accesses +
		mul_u64_u64_div_u64(points[i].accesses - before.accesses,
				    most - before.bytes,
				    points[i].bytes - before.bytes);
	points[i].bytes = most;
	return i + 1;
}

static void add_curve(struct tiermem *tm, unsigned int *n)
{
	struct tm_curve_point points[TM_CURVE_POINTS];
	unsigned int nr = tiermem_tiering_curve(tm, points), i;

	nr = end_curve(points, nr, managed_bytes(tm));
	for (i = 0; i < nr; i++) {
		add_indexed(tm, n, VIRTIO_TIERMEM_STAT_CURVE_BYTES, NO_TIER, i,
			    points[i].bytes);
		add_indexed(tm, n, VIRTIO_TIERMEM_STAT_CURVE_RATE, NO_TIER, i,
			    points[i].accesses * (MSEC_PER_SEC / TIERMEM_EPOCH_MS));
	}
}

/* Causes and stages are numbered as in exchange.h and tiering.h. */
static void add_tiering(struct tiermem *tm, unsigned int *n)
{
	const struct tiermem_tiering *t = &tm->tiering;
	unsigned int i;

	add_stat(tm, n, VIRTIO_TIERMEM_STAT_PROMOTED, TM_TIER_FAST,
		 READ_ONCE(t->moved.promoted) << PAGE_SHIFT);
	add_stat(tm, n, VIRTIO_TIERMEM_STAT_DEMOTED, TM_TIER_SLOW,
		 READ_ONCE(t->moved.demoted) << PAGE_SHIFT);
	for (i = TM_TIER_FAST; i <= TM_TIER_SLOW; i++)
		add_stat(tm, n, VIRTIO_TIERMEM_STAT_SAMPLES, i,
			 READ_ONCE(t->samples_by_tier[i]));
	for (i = TIERMEM_EXCHANGED + 1; i < TIERMEM_EXCHANGE_OUTCOMES; i++)
		add_indexed(tm, n, VIRTIO_TIERMEM_STAT_EXCHANGE_FAILED, NO_TIER, i,
			    READ_ONCE(t->moved.exchange.pairs[i]));
	for (i = 0; i < TIERMEM_STAGES; i++)
		add_indexed(tm, n, VIRTIO_TIERMEM_STAT_CPU_TIME, NO_TIER, i,
			    READ_ONCE(t->stage_ns[i]));
	add_curve(tm, n);
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
	add_tiering(tm, &n);
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
