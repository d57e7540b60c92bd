/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tiermem.h - the driver's state, and the functions between its files
 *
 *   main.c ──> governor.c ──> reservoir.c ──> page_source.c   (which pages)
 *     │            │ │            └─────────> device.c        (the wire)
 *     │            │ └─> tiering.c ──> sampler.c, policy/, relocate.c (see tiering.h)
 *     │            └─ decides when, and what to do about failure
 *     └─ probe, remove, power management; stats.c, sysfs.c report
 *
 * Nothing below calls back up. device.c alone knows the wire format.
 *
 * A tier has a quota ("requested", set by the host) and a reservoir of pages
 * that the driver has taken out of the kernel and surrendered to the host, so
 * that what is left ("actual") meets the quota. Surrendered pages have a
 * reference count of 1 and are PageOffline: dumps, /proc/kcore, hibernation and
 * compaction leave them alone. They are not counted in MemTotal.
 *
 * Locks: each tier has a mutex that guards its reservoir and its channel to the
 * device. The out-of-memory notifier takes it, so nothing that holds it may
 * enter reclaim. Tiers never nest. vq_lock is a leaf.
 *
 * Units: pages of PAGE_SIZE and page frame numbers inside the driver, bytes on
 * the wire and in sysfs.
 */
#ifndef TIERMEM_H
#define TIERMEM_H

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/workqueue.h>

#include "policy/range_set.h"
#include "sampler.h"
#include "tiering.h"
#include "virtio_tiermem.h"

struct tiermem;

/* What a tier's worker is doing; shown in sysfs. */
enum tiermem_state {
	TIERMEM_IDLE,		/* the quota is met */
	TIERMEM_SURRENDERING,	/* handing pages to the host */
	TIERMEM_RECLAIMING,	/* taking pages back from the host */
	TIERMEM_WAITING,	/* nothing could be taken; will try again later */
	TIERMEM_PRESSURE,	/* gave pages back to a guest out of memory; lies low */
	TIERMEM_BROKEN,		/* the device contradicted itself; left alone */
};

/* Pages on their way to or from the host: disjoint intervals of frames. */
struct tiermem_batch {
	unsigned int nr;
	unsigned int max;
	unsigned long pages;
	struct tm_interval *ranges;
};

/* A request and its response, in memory that the device can reach. */
struct tiermem_channel {
	struct virtio_tiermem_request *request;	/* followed by max_ranges ranges */
	struct virtio_tiermem_response *response;
	struct completion done;
};

/* Guest-physical frames of a tier; constant. */
struct tiermem_region {
	unsigned long start_pfn;
	unsigned long end_pfn;
};

/* How hard pages are taken from the kernel; see page_source.c. */
enum tiermem_effort {
	TIERMEM_TAKE_FREE,	/* only what lies free in the buddy allocator */
	TIERMEM_TAKE_MOVE,	/* move pages in use to another tier */
	TIERMEM_TAKE_RECLAIM,	/* let the kernel reclaim, as a balloon does */
};

struct tiermem_tier {
	struct tiermem *tm;
	unsigned int index;

	/* Constant after probe. */
	int nid;			/* Linux node, not proximity domain */
	unsigned int min_order;		/* blocks of the device are 2^order pages */
	unsigned long size;		/* pages */
	unsigned int nr_regions;
	struct tiermem_region regions[VIRTIO_TIERMEM_MAX_REGIONS];
	u32 read_latency_ns, write_latency_ns;
	u64 read_bandwidth, write_bandwidth;	/* bytes per second */

	/* Written by the configuration work, read anywhere. Pages. */
	unsigned long requested;

	struct mutex lock;			/* reservoir and channel */
	struct tm_range_set *surrendered;	/* under lock; frames */
	struct tiermem_channel channel;		/* under lock */
	struct tiermem_batch reclaim_batch;	/* under lock */
	struct tiermem_batch batch;		/* the worker's own */
	/* The worker's own: from where pages are moved, and of how many in vain. */
	unsigned long scan_pfn;
	unsigned long scanned;

	/* The governor's; see governor.c. */
	struct delayed_work work;
	enum tiermem_state state;
	unsigned long run_end;			/* jiffies; of the work under way */
	/* Of a shrink, which may go on with the next work. */
	enum tiermem_effort effort;		/* beyond free memory; see take_used() */
	unsigned long until_room;		/* pages; see make_room() */
	unsigned long backoff;			/* jiffies, while WAITING */
	bool pressure;				/* set by the OOM notifier */
	bool gentle;				/* since then, until the quota is met */
	unsigned long pressure_end;		/* jiffies */
	unsigned long pressure_backoff;		/* jiffies */
	unsigned long oom_pages;		/* how much the next OOM gets back */
	atomic64_t oom_reclaims;		/* times */

	/* sysfs.c */
	struct attribute_group *sysfs_group;
};

/* What the host asks for; see virtio_tiermem.h. */
struct tiermem_qos {
	u32 qos_class;
	u32 weight;
	u64 fast_min;
	u64 migration_bandwidth;
	u32 cpu_budget;
	u32 shrink_deadline_ms;
};

struct tiermem {
	refcount_t holders;			/* the driver, and who has the stream open */
	bool gone;				/* to be removed: reading the stream ends */
	struct virtio_device *vdev;
	struct virtqueue *request_vq;
	struct virtqueue *stats_vq;		/* NULL without the feature */
	spinlock_t vq_lock;			/* request_vq */

	unsigned int num_tiers;
	u32 max_ranges;
	struct tiermem_tier tiers[VIRTIO_TIERMEM_MAX_TIERS];
	struct tiermem_qos qos;			/* under config_lock */
	struct mutex config_lock;

	struct workqueue_struct *wq;
	struct work_struct config_work;
	bool running;				/* works may be queued */
	struct notifier_block oom_nb;
	bool oom_registered;
	struct notifier_block reboot_nb;

	struct tiermem_sampler sampler;
	bool sampling_at_freeze;
	struct tiermem_tiering tiering;
	bool tiering_at_freeze;
	struct dentry *debugfs;
	atomic_t stream_users;

	struct work_struct stats_work;
	struct virtio_tiermem_stat *stats;
};

/* For files, which may stay open when the device has gone: then all of it is off, but there. */
static inline void tiermem_get(struct tiermem *tm)
{
	refcount_inc(&tm->holders);
}

static inline void tiermem_put(struct tiermem *tm)
{
	if (refcount_dec_and_test(&tm->holders))
		kfree(tm);
}

/* device.c: the wire. */

/* Read and check the constant part of the configuration. 0 or -EINVAL. */
int tiermem_device_read_geometry(struct tiermem *tm);
/* Read requested sizes and QoS, all of one configuration generation. */
void tiermem_device_read_config(struct tiermem *tm);
/* Set up queues and channels. 0 or a negative errno, then nothing is left. */
int tiermem_device_start(struct tiermem *tm);
/* Reset the device (all memory is the guest's again) and free the queues. */
void tiermem_device_stop(struct tiermem *tm);
/*
 * Send one request over the batch's ranges and wait for the answer. @done: how
 * many ranges were carried out. Caller holds tier->lock; sleeps, but never
 * enters reclaim.
 *
 * 0; -EDQUOT (beyond the quota), -EBUSY (host cannot now), -EIO (host failed,
 * part is done), -EPROTO (refused as wrong), -EBADMSG (an answer that makes no
 * sense), -ENODEV (the device is gone), -ENOMEM, -ENOSPC.
 */
int tiermem_device_request(struct tiermem_tier *tier, u16 type, u32 flags,
			   const struct tiermem_batch *batch, unsigned int *done);

/* page_source.c: which pages. */

/*
 * Take up to @want pages of the tier out of the kernel into the empty batch,
 * in blocks as large as there are. Returns the number of pages taken, all of
 * them with a reference count of 1 and PageOffline. May sleep. Without locks.
 */
unsigned long tiermem_take_pages(struct tiermem_tier *tier, unsigned long want,
				 enum tiermem_effort effort,
				 struct tiermem_batch *batch);
/* The last search for pages to move ended with tier->run_end, before it was all round. */
static inline bool tiermem_scan_goes_on(const struct tiermem_tier *tier)
{
	return tier->scanned < tier->size && time_after_eq(jiffies, tier->run_end);
}

/* Give frames to the buddy allocator, in blocks as large as fit. Never sleeps. */
void tiermem_give_pages(unsigned long start_pfn, unsigned long end_pfn);
/* Free pages of the tier beyond its zones' high watermarks. */
unsigned long tiermem_free_pages_spare(const struct tiermem_tier *tier);

/* Whoever takes pages asks now and then: the guest is out of memory, or the driver goes. */
static inline bool tiermem_must_end(const struct tiermem_tier *tier)
{
	return READ_ONCE(tier->pressure) || !READ_ONCE(tier->tm->running);
}

static inline unsigned long tiermem_batch_room(const struct tiermem_batch *batch)
{
	return batch->max - batch->nr;
}

/* reservoir.c: what is surrendered. */

int tiermem_reservoir_init(struct tiermem_tier *tier);
void tiermem_reservoir_destroy(struct tiermem_tier *tier);
/* Pages that the tier has now; exact while tier->lock is held. */
unsigned long tiermem_reservoir_actual(const struct tiermem_tier *tier);
/*
 * Surrender up to @want pages. Takes tier->lock. @surrendered: pages handed
 * over. 0, -EAGAIN (nothing could be taken with this effort), or an error of
 * tiermem_device_request(), after which what was not handed over is free again.
 */
int tiermem_reservoir_surrender(struct tiermem_tier *tier, unsigned long want,
				enum tiermem_effort effort,
				unsigned long *surrendered);
/*
 * Take up to @want pages back. Caller holds tier->lock. @reclaimed: pages that
 * the kernel has again. 0 or an error of tiermem_device_request().
 */
int tiermem_reservoir_reclaim(struct tiermem_tier *tier, unsigned long want,
			      u32 flags, unsigned long *reclaimed);
/* After a reset of the device: all pages back to the kernel, without asking. */
void tiermem_reservoir_release_all(struct tiermem_tier *tier);

/* governor.c: when. */

int tiermem_governor_init(struct tiermem *tm);
void tiermem_governor_destroy(struct tiermem *tm);
/* Start towards the quotas; waits until the first pass of each tier is over. */
int tiermem_governor_start(struct tiermem *tm);
/* What is under way ends soon, nothing new begins; before what it works with is stopped. */
void tiermem_governor_halt(struct tiermem *tm);
/* No work runs or is queued when it returns. */
void tiermem_governor_stop(struct tiermem *tm);
/* The host has changed something. Any context. */
void tiermem_governor_config_changed(struct tiermem *tm);
const char *tiermem_state_name(enum tiermem_state state);

/* stats.c */
int tiermem_stats_init(struct tiermem *tm);
void tiermem_stats_destroy(struct tiermem *tm);
/* Hand the first buffer to the device. */
void tiermem_stats_start(struct tiermem *tm);
void tiermem_stats_stop(struct tiermem *tm);
/* Callback of the statistics queue. */
void tiermem_stats_wanted(struct virtqueue *vq);
/* Pages of the tier: managed by the kernel, free, reclaimable without swap. */
unsigned long tiermem_managed_pages(const struct tiermem_tier *tier);
unsigned long tiermem_free_pages(const struct tiermem_tier *tier);
unsigned long tiermem_reclaimable_pages(const struct tiermem_tier *tier);

/* sysfs.c */
int tiermem_sysfs_add(struct tiermem *tm);
void tiermem_sysfs_remove(struct tiermem *tm);

/* sysfs_sampler.c */
extern const struct attribute_group tiermem_sampler_group;

/* debugfs.c */
void tiermem_debugfs_add(struct tiermem *tm);
void tiermem_debugfs_remove(struct tiermem *tm);

#endif /* TIERMEM_H */
