// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When: each tier has a work item that brings "actual" to "requested".
 *
 * What the worker does about failure:
 *
 *   nothing to take (-EAGAIN)      try harder (free, demote cold pages, move any,
 *                                  reclaim), each time from the start, then wait
 *   host cannot now (-EBUSY),
 *   host failed (-EIO), -ENOMEM,
 *   -ENOSPC, -EDQUOT               wait; the configuration may have changed
 *   -EPROTO, -EBADMSG, -ENODEV     broken: leave the device alone
 *
 * Waiting starts at BACKOFF_MIN and doubles up to BACKOFF_MAX; progress and a
 * new configuration start it over.
 *
 * Out of memory: the notifier reclaims beyond the quota, more with each call of
 * one episode, and sends the worker to sleep. After that the worker is gentle:
 * it takes free pages or page cache only when there is plenty, and leaves a part
 * of it, until the quota is met. Each further OOM doubles the time it lies low.
 * Without that, inflating and deflating would fight.
 */
#include <linux/oom.h>
#include <linux/virtio_config.h>

#include "tiermem.h"
#include "trace.h"

#define BACKOFF_MIN msecs_to_jiffies(200)
#define BACKOFF_MAX (30 * HZ)
#define PRESSURE_MIN (5 * HZ)
#define PRESSURE_MAX (300 * HZ)
/* What an OOM gets back at first, and at most in one call. */
#define OOM_PAGES_MIN (SZ_16M >> PAGE_SHIFT)
#define OOM_PAGES_MAX (SZ_1G >> PAGE_SHIFT)
/*
 * Of cold pages that make room for a shrink, in one go. When there were hardly any, so
 * many are taken otherwise before it is tried again: to find nothing takes a while.
 */
#define ROOM_PAGES (SZ_64M >> PAGE_SHIFT)
/* Of work at a time: a queue that is being frozen waits for it, but not for ever. */
#define RUN_JIFFIES HZ
/* Pressure is over when this part of the tier is free beyond its watermarks. */
#define PLENTY_SHIFT 5

const char *tiermem_state_name(enum tiermem_state state)
{
	static const char * const names[] = {
		[TIERMEM_IDLE] = "idle",
		[TIERMEM_SURRENDERING] = "surrendering",
		[TIERMEM_RECLAIMING] = "reclaiming",
		[TIERMEM_WAITING] = "waiting",
		[TIERMEM_PRESSURE] = "pressure",
		[TIERMEM_BROKEN] = "broken",
	};

	return names[state];
}

static void set_state(struct tiermem_tier *tier, enum tiermem_state state,
		      unsigned long wait, int error)
{
	if (tier->state != state || wait)
		trace_tiermem_state(tier->index, state, jiffies_to_msecs(wait),
				    error);
	WRITE_ONCE(tier->state, state);
}

static unsigned long locked_actual(struct tiermem_tier *tier)
{
	unsigned long actual;

	mutex_lock(&tier->lock);
	actual = tiermem_reservoir_actual(tier);
	mutex_unlock(&tier->lock);
	return actual;
}

/* ---- One step ---- */

static int reclaim_step(struct tiermem_tier *tier, unsigned long want)
{
	unsigned long reclaimed;
	int ret;

	set_state(tier, TIERMEM_RECLAIMING, 0, 0);
	mutex_lock(&tier->lock);
	ret = tiermem_reservoir_reclaim(tier, want, 0, &reclaimed);
	mutex_unlock(&tier->lock);
	return ret;
}

/* With a few pages each time a shrink would go on for ever. */
static bool is_much(unsigned long pages, unsigned long want)
{
	return pages >= min(want, pageblock_nr_pages);
}

/*
 * Nothing of the fast tier is free any more: what is coldest goes to the slow
 * one, in pieces, so that what is free is surrendered meanwhile. Not while the
 * guest is short of memory anyway.
 */
static bool make_room(struct tiermem_tier *tier, unsigned long want,
		      enum tiermem_effort most)
{
	if (tier->index || most == TIERMEM_TAKE_FREE || tier->until_room)
		return false;
	if (is_much(tiermem_tiering_make_room(tier, min_t(unsigned long, want, ROOM_PAGES)), want))
		return true;
	tier->until_room = ROOM_PAGES;
	return false;
}

/*
 * What is not free, with as little effort as gets anything. Where a level had nothing
 * it is not asked again before the quota is met or waited for.
 */
static int take_used(struct tiermem_tier *tier, unsigned long want,
		     enum tiermem_effort most)
{
	unsigned long surrendered;
	int ret;

	/* Without tiering, which may just have been stopped, no room is made. */
	while (tier->effort <= most && !tiermem_must_end(tier)) {
		ret = tiermem_reservoir_surrender(tier, want, tier->effort, &surrendered);
		tier->until_room -= min(tier->until_room, surrendered);
		if (ret != -EAGAIN)
			return ret;
		if (tier->effort == TIERMEM_TAKE_MOVE && tiermem_scan_goes_on(tier))
			return -EINPROGRESS;
		if (tier->effort == TIERMEM_TAKE_RECLAIM)
			break;
		++tier->effort;
	}
	return -EAGAIN;
}

/* Surrender something, or do what lets the next step. */
static int surrender_step(struct tiermem_tier *tier, unsigned long want,
			  enum tiermem_effort most)
{
	unsigned long surrendered;
	int ret;

	set_state(tier, TIERMEM_SURRENDERING, 0, 0);
	ret = tiermem_reservoir_surrender(tier, want, TIERMEM_TAKE_FREE, &surrendered);
	if ((ret && ret != -EAGAIN) || tiermem_must_end(tier))
		return ret;
	if (is_much(surrendered, want) || !tiermem_batch_room(&tier->batch))
		return 0;
	if (surrendered)
		tier->backoff = 0;
	want -= surrendered;
	return make_room(tier, want, most) ? 0 : take_used(tier, want, most);
}

/*
 * While gentle: lowers how much is wanted and how hard it may be tried, or
 * -EAGAIN for not at all. Leaves a part of what is plenty to the guest, so that
 * the next process to need some does not run into the next OOM.
 */
static int gentle_limit(struct tiermem_tier *tier, unsigned long *want,
			enum tiermem_effort *most)
{
	const unsigned long plenty = tier->size >> PLENTY_SHIFT;
	unsigned long spare;

	if (READ_ONCE(tier->pressure)) {
		if (time_before(jiffies, READ_ONCE(tier->pressure_end)))
			return -EAGAIN;
		WRITE_ONCE(tier->pressure, false);
	}
	if (!READ_ONCE(tier->gentle))
		return 0;
	*most = TIERMEM_TAKE_FREE;
	spare = tiermem_free_pages_spare(tier);
	if (spare < plenty) {
		/* Page cache that has grown again is no pressure either. */
		*most = TIERMEM_TAKE_RECLAIM;
		spare = tiermem_reclaimable_pages(tier);
	}
	if (spare < plenty)
		return -EAGAIN;
	*want = min(*want, ALIGN_DOWN(spare - plenty / 2,
				      1UL << tier->min_order));
	return *want ? 0 : -EAGAIN;
}

static void quota_met(struct tiermem_tier *tier)
{
	tier->backoff = 0;
	tier->gentle = false;
	tier->pressure_backoff = 0;
	tier->oom_pages = OOM_PAGES_MIN;
	set_state(tier, TIERMEM_IDLE, 0, 0);
}

/* One step towards the quota: 0 if it is met, -EINPROGRESS, or what is in the way. */
static int step(struct tiermem_tier *tier, enum tiermem_effort *most)
{
	unsigned long requested = READ_ONCE(tier->requested);
	unsigned long actual = locked_actual(tier);
	unsigned long want = actual - requested;
	int ret;

	if (actual == requested) {
		quota_met(tier);
		return 0;
	}
	if (actual < requested) {
		ret = reclaim_step(tier, requested - actual);
	} else {
		ret = gentle_limit(tier, &want, most);
		if (!ret)
			ret = surrender_step(tier, want, *most);
	}
	if (ret)
		return ret;
	tier->backoff = 0;
	return -EINPROGRESS;
}

/* What a shrink has learnt is forgotten. */
static void begin(struct tiermem_tier *tier)
{
	tier->effort = TIERMEM_TAKE_MOVE;
	tier->until_room = 0;
	tier->scanned = 0;
}

/* Go on until the quota is met (0), something stands in the way, or the time is up. */
static int run(struct tiermem_tier *tier, enum tiermem_effort most, unsigned long most_jiffies)
{
	int ret;

	tier->run_end = jiffies + most_jiffies;
	do {
		ret = step(tier, &most);
		cond_resched();
	} while (ret == -EINPROGRESS && READ_ONCE(tier->tm->running) &&
		 time_before(jiffies, tier->run_end));
	/* What is interrupted does not begin anew: to find nothing can take a second, too. */
	if (ret != -EINPROGRESS)
		begin(tier);
	return ret;
}

/* ---- The worker ---- */

static void wait_longer(unsigned long *backoff, unsigned long min,
			unsigned long max)
{
	*backoff = *backoff ? min(*backoff * 2, max) : min;
}

static void try_again(struct tiermem_tier *tier, enum tiermem_state state,
		      unsigned long wait, int error)
{
	set_state(tier, state, wait, error);
	queue_delayed_work(tier->tm->wq, &tier->work, wait);
}

static void handle_failure(struct tiermem_tier *tier, int ret)
{
	if (ret == -EPROTO || ret == -EBADMSG || ret == -ENODEV) {
		dev_err(&tier->tm->vdev->dev,
			"tier %u: the device cannot be relied on (%d); leaving it alone\n",
			tier->index, ret);
		set_state(tier, TIERMEM_BROKEN, 0, ret);
		return;
	}
	if (READ_ONCE(tier->gentle)) {
		/* The notifier counts from the OOM, we from the last try. */
		if (!READ_ONCE(tier->pressure))
			wait_longer(&tier->pressure_backoff, PRESSURE_MIN,
				    PRESSURE_MAX);
		try_again(tier, TIERMEM_PRESSURE, tier->pressure_backoff, ret);
		return;
	}
	wait_longer(&tier->backoff, BACKOFF_MIN, BACKOFF_MAX);
	try_again(tier, TIERMEM_WAITING, tier->backoff, ret);
}

static void tier_work(struct work_struct *work)
{
	struct tiermem_tier *tier = container_of(to_delayed_work(work),
						 struct tiermem_tier, work);
	int ret;

	if (tier->state == TIERMEM_BROKEN)
		return;
	ret = run(tier, TIERMEM_TAKE_RECLAIM, RUN_JIFFIES);
	if (!ret || !READ_ONCE(tier->tm->running))
		return;
	if (ret == -EINPROGRESS)
		queue_delayed_work(tier->tm->wq, &tier->work, 0);
	else
		handle_failure(tier, ret);
}

static void kick(struct tiermem_tier *tier)
{
	tier->backoff = 0;
	mod_delayed_work(tier->tm->wq, &tier->work, 0);
}

/* ---- The host changes something ---- */

static void read_config(struct tiermem *tm)
{
	tiermem_device_read_config(tm);
	if (virtio_has_feature(tm->vdev, VIRTIO_TIERMEM_F_QOS))
		tiermem_sampler_set_budget(&tm->sampler, tm->qos.cpu_budget);
}

static void config_work(struct work_struct *work)
{
	struct tiermem *tm = container_of(work, struct tiermem, config_work);
	unsigned int i;

	if (!READ_ONCE(tm->running))
		return;
	read_config(tm);
	for (i = 0; i < tm->num_tiers; i++)
		kick(&tm->tiers[i]);
}

void tiermem_governor_config_changed(struct tiermem *tm)
{
	if (READ_ONCE(tm->running))
		queue_work(tm->wq, &tm->config_work);
}

/* ---- The guest is out of memory ---- */

static unsigned long oom_reclaim(struct tiermem_tier *tier)
{
	unsigned long reclaimed = 0, in_flight = READ_ONCE(tier->batch.pages);

	/* First, so that the worker gives back what it is just taking. */
	WRITE_ONCE(tier->pressure_end, jiffies + PRESSURE_MAX);
	WRITE_ONCE(tier->pressure, true);
	WRITE_ONCE(tier->gentle, true);
	mutex_lock(&tier->lock);
	if (tier->state != TIERMEM_BROKEN)
		tiermem_reservoir_reclaim(tier, tier->oom_pages,
					  VIRTIO_TIERMEM_REQ_F_OOM, &reclaimed);
	/* One episode of pressure is one step of the back-off. */
	if (tier->oom_pages == OOM_PAGES_MIN || !tier->pressure_backoff)
		wait_longer(&tier->pressure_backoff, PRESSURE_MIN, PRESSURE_MAX);
	trace_tiermem_oom(tier->index, tier->oom_pages, reclaimed);
	tier->oom_pages = min_t(unsigned long, tier->oom_pages * 2,
				OOM_PAGES_MAX);
	WRITE_ONCE(tier->pressure_end, jiffies + tier->pressure_backoff);
	mutex_unlock(&tier->lock);
	if (reclaimed)
		atomic64_inc(&tier->oom_reclaims);
	mod_delayed_work(tier->tm->wq, &tier->work, tier->pressure_backoff);
	return reclaimed + in_flight;
}

/* Worth asking: it has given something away, or is about to. */
static bool has_something(const struct tiermem_tier *tier)
{
	return tiermem_reservoir_actual(tier) < tier->size ||
	       READ_ONCE(tier->batch.pages);
}

/*
 * The allocation that failed may be bound to a node, and does not say so. Only
 * nodes that have nothing left can be meant; if none has run dry, any may be.
 */
static int oom_notify(struct notifier_block *nb, unsigned long unused,
		      void *parm)
{
	struct tiermem *tm = container_of(nb, struct tiermem, oom_nb);
	unsigned long *freed = parm;
	unsigned int pass, i;

	for (pass = 0; pass < 2 && !*freed; pass++) {
		for (i = 0; i < tm->num_tiers; i++) {
			struct tiermem_tier *tier = &tm->tiers[i];

			if (has_something(tier) &&
			    (pass || !tiermem_free_pages_spare(tier)))
				*freed += oom_reclaim(tier);
		}
	}
	return NOTIFY_OK;
}

static int register_oom(struct tiermem *tm)
{
	int ret;

	if (!virtio_has_feature(tm->vdev, VIRTIO_TIERMEM_F_RECLAIM_ON_OOM))
		return 0;
	tm->oom_nb.notifier_call = oom_notify;
	ret = register_oom_notifier(&tm->oom_nb);
	tm->oom_registered = !ret;
	return ret;
}

/* ---- Life cycle ---- */

int tiermem_governor_init(struct tiermem *tm)
{
	unsigned int i;

	mutex_init(&tm->config_lock);
	INIT_WORK(&tm->config_work, config_work);
	for (i = 0; i < tm->num_tiers; i++)
		INIT_DELAYED_WORK(&tm->tiers[i].work, tier_work);
	/* Unbound: the tiers make progress at the same time. */
	tm->wq = alloc_workqueue("tiermem", WQ_UNBOUND | WQ_FREEZABLE, 0);
	return tm->wq ? 0 : -ENOMEM;
}

void tiermem_governor_destroy(struct tiermem *tm)
{
	destroy_workqueue(tm->wq);
}

int tiermem_governor_start(struct tiermem *tm)
{
	unsigned int i;
	int ret;

	ret = register_oom(tm);
	if (ret)
		return ret;
	read_config(tm);
	WRITE_ONCE(tm->running, true);
	for (i = 0; i < tm->num_tiers; i++) {
		tm->tiers[i].state = TIERMEM_IDLE;
		tm->tiers[i].oom_pages = OOM_PAGES_MIN;
		begin(&tm->tiers[i]);
		/* What is free at boot is gone before anybody can touch it. */
		run(&tm->tiers[i], TIERMEM_TAKE_FREE, MAX_JIFFY_OFFSET);
	}
	for (i = 0; i < tm->num_tiers; i++)
		kick(&tm->tiers[i]);
	/* A change that came before "running" was set. */
	tiermem_governor_config_changed(tm);
	return 0;
}

void tiermem_governor_halt(struct tiermem *tm)
{
	WRITE_ONCE(tm->running, false);
}

void tiermem_governor_stop(struct tiermem *tm)
{
	unsigned int i;

	tiermem_governor_halt(tm);
	if (tm->oom_registered)
		unregister_oom_notifier(&tm->oom_nb);
	tm->oom_registered = false;
	cancel_work_sync(&tm->config_work);
	for (i = 0; i < tm->num_tiers; i++)
		cancel_delayed_work_sync(&tm->tiers[i].work);
}
