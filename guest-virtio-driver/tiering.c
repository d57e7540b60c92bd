// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The epoch; see tiering.h.
 *
 * CPU time and copies are held to their budgets in every ten seconds (see
 * policy/budget.h): a guest whose hot set has moved is served at once, and one
 * that never settles gets what it is allowed. An epoch moves pages for a part of
 * what is left, so that what began as a burst becomes even. Sampling may use half
 * of the CPU budget, while much is uncertain. What the host's own shrinking costs
 * is charged too, but not limited: it has a deadline.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/vmstat.h>

#include "kernel_tiering.h"
#include "residency.h"
#include "stopwatch.h"
#include "tiering.h"
#include "tiermem.h"
#include "trace.h"

/* While less than so many 1/1000 of the heat could be placed better. */
#define SETTLED_MS 500
#define SETTLED_MILLI 100
/*
 * Such epochs end when so many look-ups tell of so much more from slow memory (1/1000),
 * and the next ones are short.
 */
#define STIRRED_LOOK_UPS 16
#define STIRRED_MILLI 250
#define STIRRED_EPOCHS 4
/* While hardly anything is sampled and nothing moves: what begins is seen soon. */
#define QUIET_MS 1000
/* While no CPU time is left: an epoch costs some by itself. */
#define SPENT_MS 2000
/* Between two looks for processes that are never sampled. */
#define SEARCH_MS 4000
#define QUIET_EPOCHS 8U
#define QUIET_SAMPLES 64
#define QUIET_RETURN 2U
/* A look that comes so little early is the epoch's. */
#define EARLY_MS 5
#define MAX_MOVES 16384
/*
 * Of so many samples an epoch the page table is asked who served them. It takes
 * some microseconds each.
 */
#define LOOK_UPS 64
/* Copies of both sides, where the host sets no limit. */
#define DEFAULT_BANDWIDTH SZ_512M
/* Without QoS: permille of one CPU; as the device's default. */
#define DEFAULT_CPU_BUDGET 50
#define SAMPLING_SHARE 2
/* Of what is left of a budget, an epoch takes one in so many. */
#define EPOCH_PART 4
/* Until it is measured. */
#define PAGE_NS 18000
/*
 * No page is taken to cost more, whatever was measured: a vCPU that does not run counts as
 * time, and so does what a batch of a few pages takes by itself. Programs are as late on
 * such a host, and what is never moved, as it seems too dear, is never measured again.
 */
#define PAGE_NS_MAX (4 * PAGE_NS)
#define PAGES_REMEMBERED 1024
/*
 * Kept free in the fast tier for new pages: 1/256 of it, within these. The policy core
 * keeps more while programs take memory.
 */
#define RESERVE_SHIFT 8
#define RESERVE_MIN SZ_1M
#define RESERVE_MAX SZ_128M
/* Steps in one go while the host waits for memory. */
#define SHRINK_MOVES 1024
/* Plans, one after another, of which nothing can be moved. */
#define SHRINK_VAIN 16

const char *tiermem_stage_name(enum tiermem_stage stage)
{
	static const char * const names[TIERMEM_STAGES] = {
		[TIERMEM_STAGE_SAMPLE] = "sample",
		[TIERMEM_STAGE_CLASSIFY] = "classify",
		[TIERMEM_STAGE_MOVE] = "move",
	};

	return names[stage];
}

static void spend(struct tiermem_tiering *t, enum tiermem_stage stage, u64 ns)
{
	t->stage_ns[stage] += ns;
	tm_budget_spend(&t->cpu, ktime_get_ns(), ns);
}

/* ---- Samples ---- */

/* Who serves an access: looked up for some, so that the share is known. */
static u8 look_up_tier(struct tiermem_tiering *t, u64 space, u64 addr)
{
	struct mm_struct *mm = tiermem_spaces_get(&t->spaces, space);
	u8 tier = TM_TIER_UNKNOWN;

	if (!mm)
		return tier;
	if (mmap_read_trylock(mm)) {
		tier = tiermem_residency_tier(t->tm, mm, addr);
		mmap_read_unlock(mm);
	}
	mmput_async(mm);
	if (tier != TM_TIER_UNKNOWN)
		t->samples_by_tier[tier]++;
	return tier;
}

static bool convert(struct tiermem_tiering *t, const struct tiermem_record *record,
		    u32 weight, struct tm_sample *sample)
{
	u64 space = tiermem_spaces_id(&t->spaces, record);

	if (space == TM_SPACE_NONE)
		return false;
	*sample = (struct tm_sample) {
		.space = space, .addr = record->addr, .weight = weight,
		.tier = TM_TIER_UNKNOWN,
	};
	if (!t->unseen) {
		sample->tier = look_up_tier(t, space, record->addr);
		t->unseen = max(t->samples_expected / LOOK_UPS, 1U);
	}
	t->unseen--;
	return true;
}

/* Read what is in the ring now, not what comes in while it is read. */
static void drain_cpu(struct tiermem_tiering *t, unsigned int cpu)
{
	const u32 weight = READ_ONCE(t->tm->sampler.period);
	unsigned int sum = 0, nr, i, used;

	do {
		nr = tiermem_sampler_read(&t->tm->sampler, cpu, t->records,
					  TIERMEM_RECORDS_PER_READ);
		for (i = 0, used = 0; i < nr; i++)
			used += convert(t, &t->records[i], weight, &t->samples[used]);
		tm_policy_samples(t->policy, t->samples, used);
		sum += nr;
		cond_resched();
	} while (nr == TIERMEM_RECORDS_PER_READ && sum < TIERMEM_RING_RECORDS);
}

static u32 set_period(struct tiermem_tiering *t, u32 wanted)
{
	u32 period = clamp_t(u32, wanted | 1, TIERMEM_PERIOD_MIN, TIERMEM_PERIOD_MAX);

	if (period != READ_ONCE(t->tm->sampler.wanted_period))
		tiermem_sampler_set_period(&t->tm->sampler, period);
	return period;
}

static void drain(struct tiermem_tiering *t)
{
	unsigned int cpu;

	if (!READ_ONCE(t->tm->sampler.source))
		return;
	for_each_possible_cpu(cpu)
		drain_cpu(t, cpu);
	set_period(t, tm_policy_period_now(t->policy));
}

/* ---- What holds for an epoch ---- */

static u64 node_pages(int nid, enum node_stat_item item)
{
	return max(atomic_long_read(&NODE_DATA(nid)->vm_stat[item]), 0L);
}

static u64 shrinking(const struct tiermem_tier *tier)
{
	unsigned long actual = tiermem_reservoir_actual(tier);
	unsigned long requested = READ_ONCE(tier->requested);

	return actual > requested ? actual - requested : 0;
}

/* Of the fast tier: what processes have there, and what they could have. */
static void measure_fast(const struct tiermem_tier *tier, const struct tiermem_idle *idle,
			 struct tm_epoch_input *input)
{
	u64 used = node_pages(tier->nid, NR_ANON_MAPPED) + node_pages(tier->nid, NR_FILE_MAPPED);
	u64 spare = tiermem_node_gives(tier->nid), less = shrinking(tier);
	u64 waiting = tiermem_node_withholds(tier->nid);
	u64 slow_room = tiermem_node_gives(tier->tm->tiers[TM_TIER_SLOW].nid);
	u64 usable = used + spare + waiting;
	u64 reserve = clamp_t(u64, PFN_PHYS(tier->size) >> RESERVE_SHIFT,
			      RESERVE_MIN, RESERVE_MAX);

	input->fast_quota = PFN_PHYS(usable - min(usable, less));
	input->fast_free = PFN_PHYS(spare - min(spare, less));
	input->fast_waiting = PFN_PHYS(waiting);
	input->fast_idle = PFN_PHYS(min_t(u64, tiermem_idle_stock(idle), slow_room));
	input->fast_free_huge = PFN_PHYS(tiermem_node_huge(tier->nid));
	input->fast_reserve = less ? 0 : min(reserve, input->fast_quota / 8);
}

/* Whether the host takes fast memory, or has done so since the last epoch. */
static bool note_shrinking(struct tiermem_tiering *t)
{
	const struct tiermem_tier *tier = &t->tm->tiers[TM_TIER_FAST];
	const unsigned long requested = READ_ONCE(tier->requested);
	const bool shrinks = shrinking(tier);
	const bool before = t->shrinks || t->fast_requested != requested;

	t->shrinks = shrinks;
	t->fast_requested = requested;
	return shrinks || before;
}

static u32 cpu_budget(const struct tiermem *tm)
{
	return virtio_has_feature(tm->vdev, VIRTIO_TIERMEM_F_QOS) ?
	       READ_ONCE(tm->qos.cpu_budget) : DEFAULT_CPU_BUDGET;
}

/* CPU time that is left, in ns. */
static u64 cpu_left(struct tiermem_tiering *t)
{
	return tm_budget_left(&t->cpu, ktime_get_ns(),
			      (u64)cpu_budget(t->tm) * (NSEC_PER_SEC / 1000));
}

/* Bytes of copies that are left. */
static u64 copies_left(struct tiermem_tiering *t)
{
	return tm_budget_left(&t->copies, ktime_get_ns(),
			      READ_ONCE(t->tm->qos.migration_bandwidth) ?: DEFAULT_BANDWIDTH);
}

/* Bytes a second of copies that both budgets allow for an epoch. */
static u64 allowed_bandwidth(struct tiermem_tiering *t, u64 length_ns)
{
	u64 pages = div64_u64(cpu_left(t) / EPOCH_PART, max(t->page_ns, 1ULL));
	u64 bytes = min(PFN_PHYS(pages), copies_left(t) / EPOCH_PART);

	return div64_u64(bytes * MSEC_PER_SEC, max(length_ns / NSEC_PER_MSEC, 1ULL));
}

/*
 * Twice the share while more than half of the budget is left: what has just begun is
 * learnt sooner. While hardly anything is left, no more than that in a second.
 */
static u32 sampling_permille(struct tiermem_tiering *t)
{
	u64 budget = cpu_budget(t->tm), share = budget / SAMPLING_SHARE;
	u64 left = cpu_left(t) / (NSEC_PER_SEC / 1000);

	if (left > budget * TM_BUDGET_SECONDS / 2)
		share *= 2;
	return clamp_t(u64, left, 1, max(share, 1ULL));
}

static void charge_sampling(struct tiermem_tiering *t)
{
	struct tiermem_sampler_stats stats;

	tiermem_sampler_stats(&t->tm->sampler, &stats);
	/* The counters start over with the sampler. */
	if (stats.time_ns > t->sampled_ns)
		spend(t, TIERMEM_STAGE_SAMPLE, stats.time_ns - t->sampled_ns);
	t->sampled_ns = stats.time_ns;
}

static u64 grown(u64 *last, u64 now)
{
	u64 more = now > *last ? now - *last : 0;

	*last = now;
	return more;
}

static void fill_input(struct tiermem_tiering *t, u64 now, struct tm_epoch_input *input)
{
	struct tiermem_sampler_stats stats;
	u64 length_ns = now - t->last_epoch_ns;

	tiermem_sampler_stats(&t->tm->sampler, &stats);
	*input = (struct tm_epoch_input) {
		.now_ns = now,
		.new_bytes = tiermem_spaces_growth(&t->spaces),
		.bandwidth = allowed_bandwidth(t, length_ns),
		.lost_samples = grown(&t->lost, stats.lost_ring + stats.lost_source),
		.move_cost_ns = min_t(u64, t->page_ns, NSEC_PER_SEC),
		.cpu_permille = sampling_permille(t),
		.qos_class = READ_ONCE(t->tm->qos.qos_class),
		.shrinking = note_shrinking(t),
	};
	measure_fast(&t->tm->tiers[TM_TIER_FAST], &t->idle, input);
}

/* ---- The epoch ---- */

static int walk(void *context, uint64_t space, uint64_t start, uint64_t end,
		struct tm_window *window)
{
	struct tiermem_tiering *t = context;
	struct mm_struct *mm;
	int ret;

	if (READ_ONCE(t->stopping))
		return -EINTR;
	mm = tiermem_spaces_get(&t->spaces, space);
	if (!mm)
		return -ESRCH;
	ret = tiermem_residency_window(t->tm, mm, start, end, window);
	mmput_async(mm);
	return ret;
}

/* In slices, so that whoever looks sees the counters grow; until @most_ns are spent. */
static void carry_out_slices(struct tiermem_tiering *t, unsigned int nr, u64 most_ns)
{
	const struct tiermem_stopwatch start = tiermem_stopwatch_start();
	unsigned int done = 0, slice;

	while (done < nr && !READ_ONCE(t->stopping) &&
	       tiermem_stopwatch_read(&start) < most_ns) {
		slice = min_t(unsigned int, nr - done, TIERMEM_RELOCATE_PAIRS);
		done += tiermem_relocate(t->relocation, t->moves + done, slice, &t->stopping);
		t->moved = t->relocation->stats;
	}
}

/* Pages that nobody uses leave the fast tier. Returns how many. */
static unsigned long move_idle(struct tiermem_tiering *t, unsigned long pages, u64 most_ns)
{
	const struct tiermem_stopwatch start = tiermem_stopwatch_start();
	unsigned long moved = tiermem_relocate_idle(t->relocation, pages, most_ns, &t->stopping);

	t->moved = t->relocation->stats;
	spend(t, TIERMEM_STAGE_MOVE, tiermem_stopwatch_read(&start));
	tm_budget_spend(&t->copies, ktime_get_ns(), PFN_PHYS(moved));
	return moved;
}

/* Carry out steps, and learn what a page costs. */
static unsigned long carry_out(struct tiermem_tiering *t, unsigned int nr, u64 most_ns)
{
	const u64 before = t->moved.promoted + t->moved.demoted;
	const struct tiermem_stopwatch start = tiermem_stopwatch_start();
	u64 pages, ns;

	carry_out_slices(t, nr, most_ns);
	ns = tiermem_stopwatch_read(&start);
	spend(t, TIERMEM_STAGE_MOVE, ns);
	pages = t->moved.promoted + t->moved.demoted - before;
	tm_budget_spend(&t->copies, ktime_get_ns(), PFN_PHYS(pages));
	/* As if PAGES_REMEMBERED had been moved at the price so far. */
	t->page_ns = min_t(u64, PAGE_NS_MAX,
			   div64_u64(t->page_ns * PAGES_REMEMBERED + ns, PAGES_REMEMBERED + pages));
	return pages;
}

static void follow_period(struct tiermem_tiering *t)
{
	u32 period = set_period(t, t->result.period);

	t->samples_expected = div_u64((u64)t->result.samples * t->sampled_period, period);
	t->sampled_period = period;
}

/* One that is not ends the quiet at once, but it comes back soon after. */
static void note_quiet(struct tiermem_tiering *t, bool quiet)
{
	if (quiet)
		t->quiet_epochs = min(t->quiet_epochs + 1, QUIET_EPOCHS);
	else
		t->quiet_epochs -= min(t->quiet_epochs, QUIET_RETURN);
}

static bool is_quiet(const struct tiermem_tiering *t)
{
	return t->quiet_epochs >= QUIET_EPOCHS;
}

/* A mean with a memory of four epochs. */
static void note_tiers(struct tiermem_tiering *t)
{
	if (t->samples_by_tier[TM_TIER_FAST] + t->samples_by_tier[TM_TIER_SLOW] !=
	    t->before_by_tier[TM_TIER_FAST] + t->before_by_tier[TM_TIER_SLOW])
		t->usual_slow_milli = (3 * t->usual_slow_milli + 1000 - t->result.fast_milli) / 4;
	memcpy(t->before_by_tier, t->samples_by_tier, sizeof(t->before_by_tier));
	t->stirred_epochs -= !!t->stirred_epochs;
}

static void face_kernel(struct tiermem_tiering *t)
{
	if (t->own_kernel)
		tiermem_kernel_tiering_own();
	else
		tiermem_kernel_tiering_warn(&t->tm->vdev->dev);
}

/* It may have been turned on since. Whoever has the lock does it, or ends tiering. */
static void face_kernel_again(struct tiermem_tiering *t)
{
	if (!mutex_trylock(&t->control))
		return;
	face_kernel(t);
	mutex_unlock(&t->control);
}

/* For memory that no sample tells of. */
static void look_around(struct tiermem_tiering *t, u64 now)
{
	tiermem_idle_scan(&t->idle, now);
	if (now - t->last_search_ns < SEARCH_MS * NSEC_PER_MSEC)
		return;
	t->last_search_ns = now;
	tiermem_spaces_search(&t->spaces);
	face_kernel_again(t);
}

static void epoch(struct tiermem_tiering *t, u64 now)
{
	const struct tiermem_stopwatch start = tiermem_stopwatch_start();
	struct tm_epoch_input input;
	unsigned long moved = 0;
	int ret;

	tiermem_spaces_update(&t->spaces);
	charge_sampling(t);
	tiermem_node_give_room(t->tm->tiers[TM_TIER_FAST].nid);
	tiermem_node_drop_boosts(t->tm->tiers[TM_TIER_FAST].nid, &t->boosts);
	if (!is_quiet(t))
		look_around(t, now);
	fill_input(t, now, &input);
	ret = tm_policy_epoch(t->policy, &input, walk, t, t->moves, MAX_MOVES, &t->result);
	t->last_epoch_ns = now;
	t->epochs++;
	spend(t, TIERMEM_STAGE_CLASSIFY, tiermem_stopwatch_read(&start));
	if (ret) {
		dev_warn_once(&t->tm->vdev->dev, "the policy core refused to plan (%d)\n", ret);
		return;
	}
	if (t->result.idle_pages)
		moved = move_idle(t, t->result.idle_pages, cpu_left(t) / EPOCH_PART);
	t->relocation->idle_left = t->result.idle_trades;
	if (t->result.moves)
		moved += carry_out(t, t->result.moves, cpu_left(t) / EPOCH_PART);
	t->relocation->idle_left = 0;
	trace_tiermem_epoch(&t->result, &input, moved, cpu_left(t), t->page_ns);
	follow_period(t);
	note_tiers(t);
	note_quiet(t, t->result.samples <= QUIET_SAMPLES && !moved);
}

static unsigned int epoch_ms(struct tiermem_tiering *t)
{
	if (!cpu_left(t))
		return SPENT_MS;
	if (is_quiet(t))
		return QUIET_MS;
	if (t->stirred_epochs)
		return TIERMEM_EPOCH_MS;
	return t->result.uncertain_milli < SETTLED_MILLI ? SETTLED_MS : TIERMEM_EPOCH_MS;
}

/* Who has served the accesses since the last epoch is quite unlike before. */
static bool is_stirred(const struct tiermem_tiering *t)
{
	u64 slow = t->samples_by_tier[TM_TIER_SLOW] - t->before_by_tier[TM_TIER_SLOW];
	u64 all = slow + t->samples_by_tier[TM_TIER_FAST] - t->before_by_tier[TM_TIER_FAST];

	return all >= STIRRED_LOOK_UPS &&
	       slow * 1000 > all * (t->usual_slow_milli + STIRRED_MILLI);
}

/*
 * Something has begun in a quiet guest. The long epoch ends before it, else its counts
 * would be divided by a time of which it took a part.
 */
static void begin(struct tiermem_tiering *t)
{
	epoch(t, ktime_get_ns());
	t->samples_expected = TIERMEM_RING_WAKE;
	note_quiet(t, false);
	t->stirred_epochs = STIRRED_EPOCHS;
}

/*
 * Not beyond the epoch's end, so that epochs are of one length. In between only while
 * enough is sampled to tell that something has changed.
 */
static unsigned long until_next_look(struct tiermem_tiering *t)
{
	u64 end = t->last_epoch_ns + epoch_ms(t) * NSEC_PER_MSEC;
	u64 now = ktime_get_ns();
	unsigned long left = end > now ? nsecs_to_jiffies(end - now) : 0;

	/* The jiffy that has begun does not count. */
	return clamp(left + 1, 1UL,
		     msecs_to_jiffies(t->quiet_epochs ? epoch_ms(t) : TIERMEM_EPOCH_MS));
}

/* Returns the jiffies until the next look. */
static unsigned long look(struct tiermem_tiering *t, bool filled)
{
	struct tiermem_stopwatch start;
	unsigned long pause;
	u64 now;

	mutex_lock(&t->lock);
	if (!t->paused) {
		if (filled && is_quiet(t))
			begin(t);
		start = tiermem_stopwatch_start();
		drain(t);
		spend(t, TIERMEM_STAGE_CLASSIFY, tiermem_stopwatch_read(&start));
		now = ktime_get_ns();
		if (!is_quiet(t) && is_stirred(t))
			t->stirred_epochs = STIRRED_EPOCHS;
		if (now - t->last_epoch_ns >= (epoch_ms(t) - EARLY_MS) * NSEC_PER_MSEC)
			epoch(t, now);
	}
	pause = until_next_look(t);
	mutex_unlock(&t->lock);
	return pause;
}

/* kthread_stop() ends it. */
static void sleep_idle(unsigned long timeout)
{
	set_current_state(TASK_IDLE);
	if (!kthread_should_stop())
		schedule_timeout(timeout);
	__set_current_state(TASK_RUNNING);
}

/* Until the rings are worth a look. Returns whether one of them is half full. */
static bool wait_for_samples(struct tiermem_tiering *t, unsigned long pause)
{
	if (!READ_ONCE(t->paused))
		return tiermem_sampler_wait(&t->tm->sampler, pause);
	/* Full rings are somebody else's now, and wake this thread once at most. */
	sleep_idle(msecs_to_jiffies(TIERMEM_EPOCH_MS));
	return false;
}

static int tiering_thread(void *data)
{
	struct tiermem_tiering *t = data;
	unsigned long pause = msecs_to_jiffies(TIERMEM_EPOCH_MS);

	while (!kthread_should_stop())
		pause = look(t, wait_for_samples(t, pause));
	return 0;
}

/* ---- A smaller fast quota ---- */

unsigned long tiermem_tiering_make_room(const struct tiermem_tier *tier, unsigned long pages)
{
	struct tiermem_tiering *t = &tier->tm->tiering;
	unsigned long sum = 0, moved, end;
	unsigned int vain = 0;
	int nr;

	mutex_lock(&t->lock);
	end = jiffies + HZ;
	if (t->policy)
		sum = move_idle(t, pages, U64_MAX);
	while (t->policy && sum < pages && vain < SHRINK_VAIN && !READ_ONCE(t->stopping) &&
	       !tiermem_must_end(tier)) {
		nr = tm_policy_shrink(t->policy, PFN_PHYS(pages - sum), walk, t,
				      t->moves, SHRINK_MOVES);
		if (nr <= 0)
			break;
		moved = carry_out(t, nr, U64_MAX);
		/* What has just been refused is not in the next plan. */
		vain = moved ? 0 : vain + 1;
		sum += moved;
		/* A few pages a plan, where there is hardly any room, could take minutes. */
		if (moved && time_after_eq(jiffies, end))
			break;
	}
	mutex_unlock(&t->lock);
	trace_tiermem_make_room(TM_TIER_FAST, pages, sum);
	return sum;
}

/* ---- On and off ---- */

static void release(struct tiermem_tiering *t)
{
	if (t->policy)
		tiermem_spaces_destroy(&t->spaces);
	tm_policy_destroy(t->policy);
	t->policy = NULL;
	kvfree(t->relocation);
	t->relocation = NULL;
	kvfree(t->moves);
	t->moves = NULL;
	tiermem_idle_destroy(&t->idle);
}

static int allocate(struct tiermem_tiering *t)
{
	struct tm_policy_config config;
	int ret;

	tm_policy_config_guest(&config);
	config.epoch_ms = TIERMEM_EPOCH_MS;
	config.period_min = TIERMEM_PERIOD_MIN;
	config.seed = get_random_u64();
	ret = tm_policy_create(&config, &t->policy);
	if (ret)
		return ret;
	tiermem_spaces_init(&t->spaces, t->policy);
	t->relocation = kvzalloc(sizeof(*t->relocation), GFP_KERNEL);
	/* The largest table, and read once an epoch: fast memory is for others. */
	t->moves = kvzalloc_node(MAX_MOVES * sizeof(*t->moves), GFP_KERNEL,
				 t->tm->tiers[TM_TIER_SLOW].nid);
	ret = tiermem_idle_init(&t->idle, &t->tm->tiers[TM_TIER_FAST], ktime_get_ns());
	if (ret || !t->relocation || !t->moves) {
		release(t);
		return -ENOMEM;
	}
	t->relocation->tm = t->tm;
	t->relocation->policy = t->policy;
	t->relocation->spaces = &t->spaces;
	t->relocation->stats = t->moved;
	t->relocation->idle = &t->idle;
	return 0;
}

static void reset_state(struct tiermem_tiering *t)
{
	struct tiermem_sampler_stats stats;

	tiermem_sampler_stats(&t->tm->sampler, &stats);
	t->lost = stats.lost_ring + stats.lost_source;
	t->sampled_ns = stats.time_ns;
	t->last_epoch_ns = ktime_get_ns();
	t->quiet_epochs = 0;
	t->stirred_epochs = 0;
	t->samples_expected = 0;
	t->sampled_period = READ_ONCE(t->tm->sampler.wanted_period);
	t->usual_slow_milli = 0;
	memcpy(t->before_by_tier, t->samples_by_tier, sizeof(t->before_by_tier));
	t->page_ns = PAGE_NS;
	t->boosts = (struct tiermem_boosts) {};
	t->shrinks = false;
	t->fast_requested = READ_ONCE(t->tm->tiers[TM_TIER_FAST].requested);
	tm_budget_reset(&t->cpu, t->last_epoch_ns);
	tm_budget_reset(&t->copies, t->last_epoch_ns);
	t->stopping = false;
}

/* -EBUSY: somebody else has started it, which is as good. */
static int start_sampling(struct tiermem_tiering *t)
{
	int ret = tiermem_sampler_start(&t->tm->sampler);

	t->own_sampler = !ret;
	return ret == -EBUSY ? 0 : ret;
}

static void stop_sampling(struct tiermem_tiering *t)
{
	if (t->own_sampler)
		tiermem_sampler_stop(&t->tm->sampler);
	t->own_sampler = false;
}

static int run_thread(struct tiermem_tiering *t)
{
	struct task_struct *thread = kthread_run(tiering_thread, t, "tiermem");

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	t->thread = thread;
	return 0;
}

static int start(struct tiermem_tiering *t)
{
	int ret;

	mutex_lock(&t->lock);
	ret = allocate(t);
	if (!ret) {
		reset_state(t);
		ret = start_sampling(t);
	}
	if (!ret)
		ret = run_thread(t);
	if (ret) {
		stop_sampling(t);
		release(t);
	}
	mutex_unlock(&t->lock);
	return ret;
}

int tiermem_tiering_own_kernel(struct tiermem *tm, bool own)
{
	struct tiermem_tiering *t = &tm->tiering;
	int ret = 0;

	mutex_lock(&t->control);
	if (own && t->thread)
		ret = tiermem_kernel_tiering_own();
	else if (!own)
		tiermem_kernel_tiering_release();
	if (!ret)
		t->own_kernel = own;
	mutex_unlock(&t->control);
	return ret;
}

int tiermem_tiering_start(struct tiermem *tm)
{
	struct tiermem_tiering *t = &tm->tiering;
	int ret = 0;

	if (tm->num_tiers < 2)
		return -ENODEV;
	mutex_lock(&t->control);
	if (!t->thread)
		ret = start(t);
	if (!ret)
		face_kernel(t);
	mutex_unlock(&t->control);
	return ret;
}

void tiermem_tiering_stop(struct tiermem *tm)
{
	struct tiermem_tiering *t = &tm->tiering;

	mutex_lock(&t->control);
	if (t->thread) {
		WRITE_ONCE(t->stopping, true);
		kthread_stop(t->thread);
		t->thread = NULL;
		tiermem_kernel_tiering_release();
		mutex_lock(&t->lock);
		stop_sampling(t);
		release(t);
		mutex_unlock(&t->lock);
	}
	mutex_unlock(&t->control);
}

void tiermem_tiering_init(struct tiermem *tm)
{
	mutex_init(&tm->tiering.control);
	mutex_init(&tm->tiering.lock);
	tm->tiering.tm = tm;
}

/* ---- For others ---- */

void tiermem_tiering_pause(struct tiermem *tm)
{
	mutex_lock(&tm->tiering.lock);
	tm->tiering.paused++;
	mutex_unlock(&tm->tiering.lock);
}

void tiermem_tiering_resume(struct tiermem *tm, bool sampling)
{
	struct tiermem_tiering *t = &tm->tiering;

	mutex_lock(&t->lock);
	t->paused--;
	if (t->policy)
		t->own_sampler |= sampling;
	else if (sampling)
		tiermem_sampler_stop(&tm->sampler);
	mutex_unlock(&t->lock);
}

unsigned int tiermem_tiering_curve(struct tiermem *tm, struct tm_curve_point *points)
{
	unsigned int nr = 0;

	mutex_lock(&tm->tiering.lock);
	if (tm->tiering.policy)
		nr = tm_policy_curve(tm->tiering.policy, points);
	mutex_unlock(&tm->tiering.lock);
	return nr;
}
