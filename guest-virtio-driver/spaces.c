// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The address spaces that are managed; see spaces.h.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sizes.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "spaces.h"

/* Samples in one epoch: at period 4093 a process that runs for some 2 ms. */
#define ADMIT_SAMPLES 16
/* Memory for a space: 1/1024 of what it has or may fill, within these. */
#define SPACE_SHIFT 10
#define SPACE_BYTES_MIN SZ_64K
#define SPACE_BYTES_MAX SZ_1M
/* For all of them: 1/256 of the guest's memory; those beyond get the least. */
#define ALL_SHIFT 8
/* One that should have so many times what it was given is known anew. */
#define GROWN 4
/* Updates, half a minute or more: who was not sampled for so long makes place for another. */
#define SILENT 128
/* What a process must have to be known without a sample: 256 times a space's memory. */
#define LARGE_PAGES (SZ_16M >> PAGE_SHIFT)
#define SEARCH_MOST 16

struct tiermem_managed {
	struct hlist_node node;
	struct mm_struct *mm;	/* mm_count held */
	u32 id;
	u32 tgid;
	u32 bytes;		/* of the policy core */
	u64 heard;		/* spaces.updates when it was last sampled */
	u64 resident;		/* pages that it had mapped when last asked */
};

void tiermem_spaces_init(struct tiermem_spaces *spaces, struct tm_policy *policy)
{
	memset(spaces, 0, sizeof(*spaces));
	spaces->policy = policy;
	hash_init(spaces->by_mm);
	xa_init_flags(&spaces->by_id, XA_FLAGS_ALLOC1);
}

static void forget(struct tiermem_spaces *spaces, struct tiermem_managed *space)
{
	if (spaces->last == space)
		spaces->last = NULL;
	tm_policy_space_remove(spaces->policy, space->id);
	spaces->bytes -= space->bytes;
	hash_del(&space->node);
	xa_erase(&spaces->by_id, space->id);
	mmdrop(space->mm);
	kfree(space);
	spaces->nr--;
}

void tiermem_spaces_destroy(struct tiermem_spaces *spaces)
{
	struct tiermem_managed *space;
	unsigned long id;

	xa_for_each(&spaces->by_id, id, space)
		forget(spaces, space);
	xa_destroy(&spaces->by_id);
}

static struct tiermem_managed *find(struct tiermem_spaces *spaces, const void *mm)
{
	struct tiermem_managed *space;

	hash_for_each_possible(spaces->by_mm, space, node, (unsigned long)mm)
		if (space->mm == mm)
			return space;
	return NULL;
}

/* ---- Coming and going ---- */

/* The address space of a candidate with mm_users held, if the process still has it. */
static struct mm_struct *candidate_mm(const struct tiermem_candidate *c)
{
	struct pid *pid = find_get_pid(c->tgid);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_TGID);
	struct mm_struct *mm = NULL;

	put_pid(pid);
	if (!task)
		return NULL;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (mm && mm != c->mm) {
		mmput_async(mm);
		return NULL;
	}
	return mm;
}

/* A program is often met while it fills what it has mapped. */
static u32 space_bytes(const struct tiermem_spaces *spaces, struct mm_struct *mm)
{
	u64 pages = max(get_mm_rss(mm), READ_ONCE(mm->data_vm));
	u64 bytes = clamp_t(u64, pages << (PAGE_SHIFT - SPACE_SHIFT),
			    SPACE_BYTES_MIN, SPACE_BYTES_MAX);
	u64 most = (u64)totalram_pages() << (PAGE_SHIFT - ALL_SHIFT);

	return spaces->bytes + bytes > most ? SPACE_BYTES_MIN : bytes;
}

static void drop_silent(struct tiermem_spaces *spaces)
{
	struct tiermem_managed *space, *oldest = NULL;
	unsigned long id;

	xa_for_each(&spaces->by_id, id, space)
		if (!oldest || space->heard < oldest->heard)
			oldest = space;
	if (oldest && spaces->updates - oldest->heard >= SILENT)
		forget(spaces, oldest);
}

static int tell_policy(struct tiermem_spaces *spaces, struct tiermem_managed *space,
		       u32 bytes)
{
	int ret = tm_policy_space_add(spaces->policy, space->id, bytes);

	if (ret == TM_ERR_LIMIT) {
		drop_silent(spaces);
		ret = tm_policy_space_add(spaces->policy, space->id, bytes);
	}
	if (!ret) {
		space->bytes = bytes;
		spaces->bytes += bytes;
	}
	return ret;
}

/* All that is needed for a space, or nothing. The mm is held by mm_users. */
static int add(struct tiermem_spaces *spaces, struct mm_struct *mm, u32 tgid)
{
	struct tiermem_managed *space = kzalloc(sizeof(*space), GFP_KERNEL);
	int ret;

	if (!space)
		return -ENOMEM;
	space->heard = spaces->updates;
	ret = xa_alloc_cyclic(&spaces->by_id, &space->id, space, xa_limit_32b,
			      &spaces->next_id, GFP_KERNEL);
	if (ret < 0)
		goto err_free;
	ret = tell_policy(spaces, space, space_bytes(spaces, mm));
	if (ret)
		goto err_erase;
	mmgrab(mm);
	space->mm = mm;
	space->tgid = tgid;
	space->resident = get_mm_rss(mm);
	hash_add(spaces->by_mm, &space->node, (unsigned long)mm);
	spaces->nr++;
	return 0;

err_erase:
	xa_erase(&spaces->by_id, space->id);
err_free:
	kfree(space);
	return ret;
}

static void admit(struct tiermem_spaces *spaces, const struct tiermem_candidate *c)
{
	struct mm_struct *mm = candidate_mm(c);

	if (!mm)
		return;
	if (!find(spaces, mm) && add(spaces, mm, c->tgid))
		spaces->refused++;
	mmput_async(mm);
}

/* A thread that has exited has no mm, while others of its process may still run. */
static bool is_large(struct tiermem_spaces *spaces, struct task_struct *task,
		     struct tiermem_candidate *c)
{
	struct mm_struct *mm;
	bool large;

	task_lock(task);
	mm = task->flags & PF_KTHREAD ? NULL : task->mm;
	large = mm && get_mm_rss(mm) >= LARGE_PAGES && !find(spaces, mm);
	*c = (struct tiermem_candidate) { .mm = mm, .tgid = task->tgid };
	task_unlock(task);
	return large;
}

void tiermem_spaces_search(struct tiermem_spaces *spaces)
{
	struct tiermem_candidate found[SEARCH_MOST];
	struct task_struct *task;
	unsigned int nr = 0;

	rcu_read_lock();
	for_each_process(task) {
		nr += is_large(spaces, task, &found[nr]);
		if (nr == SEARCH_MOST)
			break;
	}
	rcu_read_unlock();
	while (nr)
		admit(spaces, &found[--nr]);
}

/* A server that was small when it was met: its map would stay too coarse. */
static void follow_growth(struct tiermem_spaces *spaces, struct tiermem_managed *space)
{
	u32 bytes = space_bytes(spaces, space->mm);

	if (bytes / GROWN < space->bytes)
		return;
	tm_policy_space_remove(spaces->policy, space->id);
	spaces->bytes -= space->bytes;
	space->bytes = 0;
	if (tell_policy(spaces, space, bytes))
		forget(spaces, space);
}

void tiermem_spaces_update(struct tiermem_spaces *spaces)
{
	struct tiermem_managed *space;
	unsigned long id;

	spaces->updates++;
	/* Whose sample comes next is heard then, also if it is the only one. */
	spaces->last = NULL;
	xa_for_each(&spaces->by_id, id, space) {
		if (!atomic_read(&space->mm->mm_users))
			forget(spaces, space);
		else
			follow_growth(spaces, space);
	}
	memset(spaces->candidates, 0, sizeof(spaces->candidates));
}

/* ---- Which address space a record belongs to ---- */

static void count_candidate(struct tiermem_spaces *spaces,
			    const struct tiermem_record *record)
{
	struct tiermem_candidate *c =
		&spaces->candidates[hash_ptr(record->mm, ilog2(TIERMEM_CANDIDATES))];

	if (c->mm != record->mm || c->tgid != record->tgid) {
		/* Of two that fall together the one that is sampled more stays. */
		if (c->samples > 1) {
			c->samples--;
			return;
		}
		*c = (struct tiermem_candidate) {
			.mm = record->mm, .tgid = record->tgid,
		};
	}
	if (++c->samples == ADMIT_SAMPLES)
		admit(spaces, c);
}

u64 tiermem_spaces_id(struct tiermem_spaces *spaces,
		      const struct tiermem_record *record)
{
	struct tiermem_managed *space = spaces->last;

	if (space && space->mm == record->mm)
		return space->id;
	space = find(spaces, record->mm);
	if (!space) {
		count_candidate(spaces, record);
		return TM_SPACE_NONE;
	}
	space->heard = spaces->updates;
	spaces->last = space;
	return space->id;
}

bool tiermem_spaces_keep(struct tiermem_spaces *spaces, const struct mm_struct *mm,
			 unsigned long addr)
{
	struct tiermem_managed *space = find(spaces, mm);

	return space && tm_policy_keeps(spaces->policy, space->id, addr) > 0;
}

/* ---- By id ---- */

struct mm_struct *tiermem_spaces_get(struct tiermem_spaces *spaces, u64 id)
{
	struct tiermem_managed *space = id > U32_MAX ? NULL : xa_load(&spaces->by_id, id);

	return space && mmget_not_zero(space->mm) ? space->mm : NULL;
}

u32 tiermem_spaces_tgid(struct tiermem_spaces *spaces, u64 id)
{
	struct tiermem_managed *space = id > U32_MAX ? NULL : xa_load(&spaces->by_id, id);

	return space ? space->tgid : 0;
}

u64 tiermem_spaces_growth(struct tiermem_spaces *spaces)
{
	struct tiermem_managed *space;
	unsigned long id;
	u64 pages = 0, now;

	xa_for_each(&spaces->by_id, id, space) {
		now = get_mm_rss(space->mm);
		pages += now > space->resident ? now - space->resident : 0;
		space->resident = now;
	}
	return pages << PAGE_SHIFT;
}
