// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mapped pages of the caller are exchanged with folios that the caller names by
 * their place in a file, or that are fresh; see loose_pairs.h.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/falloc.h>

#include "exchange.h"
#include "exchange_test.h"
#include "hostile_plan.h"
#include "kernel_symbols.h"
#include "loose_pairs.h"
#include "migrate.h"

struct loose_run {
	struct exchange_test_loose call;
	struct file *file;		/* NULL: fresh pages */
	struct mm_struct *mm;
	struct tiermem_pair *pairs;
	unsigned int nr;		/* pairs: what the file has of the pages asked for */
	struct tiermem_exchange_stats stats;
};

/* With a reference; or NULL. */
static struct folio *find_loose(const struct loose_run *run, unsigned int i)
{
	struct folio *folio;

	if (!run->file)
		return tiermem_migrate_target(run->call.nid);
	folio = filemap_get_folio(run->file->f_mapping, run->call.first + i);
	/* NULL before 6.3 */
	return IS_ERR_OR_NULL(folio) ? NULL : folio;
}

static void add_pair(struct loose_run *run, unsigned int i)
{
	struct tiermem_place mapped = { run->mm, run->call.addr + i * PAGE_SIZE };
	struct tiermem_pair *pair = &run->pairs[run->nr];

	pair->loose = find_loose(run, i);
	if (!pair->loose) {
		run->call.missing++;
		return;
	}
	if (run->call.mapped_is_cold)
		pair->cold = mapped;
	else
		pair->hot = mapped;
	run->nr++;
}

static void exchange(struct loose_run *run)
{
	tiermem_exchange(run->pairs, run->nr, &run->stats);
}

/* Trouble. What is undone afterwards is undone to the folios that it was done to. */

static void lock_meanwhile(struct loose_run *run)
{
	struct folio *folio = run->pairs->loose;

	folio_lock(folio);
	exchange(run);
	folio_unlock(folio);
}

static void refer_meanwhile(struct loose_run *run)
{
	struct folio *folio = run->pairs->loose;

	folio_get(folio);
	exchange(run);
	folio_put(folio);
}

static void pretend(struct loose_run *run, unsigned long bit)
{
	unsigned long *flags = folio_flags(run->pairs->loose, 0);
	bool was_set;

	/* Else the folio's way to its LRU list may clear the flag. */
	static_call(tiermem_lru_add_drain_all)();
	was_set = test_and_set_bit(bit, flags);
	exchange(run);
	if (!was_set)
		clear_bit(bit, flags);
}

/* The file loses the pages while we have references to them. */
static int punch_before(struct loose_run *run)
{
	int ret = run->file ? vfs_fallocate(run->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					    run->call.first << PAGE_SHIFT,
					    (loff_t)run->call.nr << PAGE_SHIFT) : -EBADF;

	if (!ret)
		exchange(run);
	return ret;
}

static const struct mmu_notifier_ops silent = {};

static int notify_meanwhile(struct loose_run *run)
{
	struct mmu_notifier notifier = { .ops = &silent };
	int ret = mmu_notifier_register(&notifier, run->mm);

	if (ret)
		return ret;
	exchange(run);
	mmu_notifier_unregister(&notifier, run->mm);
	return 0;
}

static int exchange_with_trouble(struct loose_run *run)
{
	if (!run->nr)
		return 0;
	switch (run->call.trouble) {
	case EXCHANGE_TEST_NONE:
		exchange(run);
		return 0;
	case EXCHANGE_TEST_LOCK_PAGE:
		lock_meanwhile(run);
		return 0;
	case EXCHANGE_TEST_REFER:
		refer_meanwhile(run);
		return 0;
	case EXCHANGE_TEST_DIRTY:
		pretend(run, PG_dirty);
		return 0;
	case EXCHANGE_TEST_WRITEBACK:
		pretend(run, PG_writeback);
		return 0;
	case EXCHANGE_TEST_UNEVICTABLE:
		pretend(run, PG_unevictable);
		return 0;
	case EXCHANGE_TEST_PUNCH:
		return punch_before(run);
	case EXCHANGE_TEST_NOTIFIER:
		return notify_meanwhile(run);
	default:
		return -EOPNOTSUPP;
	}
}

static int exchange_pairs(struct loose_run *run)
{
	unsigned int i;
	int ret;

	for (i = 0; i < run->call.nr; i++)
		add_pair(run, i);
	ret = exchange_with_trouble(run);
	for (i = 0; i < run->nr; i++)
		folio_put(run->pairs[i].loose);
	for (i = 0; i < TIERMEM_EXCHANGE_OUTCOMES; i++)
		run->call.outcomes[i] = run->stats.pairs[i];
	run->call.flushes = run->stats.flushes;
	run->call.rebuilt = run->stats.rebuilt;
	run->call.zapped = run->stats.zapped;
	return ret;
}

/* The caller's own address space. */
static int open_run(struct loose_run *run)
{
	if (!run->call.nr || run->call.nr > EXCHANGE_TEST_MAX_PAIRS)
		return -EINVAL;
	if (run->call.file >= 0) {
		run->file = fget(run->call.file);
		if (!run->file)
			return -EBADF;
	}
	run->mm = exchange_test_mm(0);
	run->pairs = kvcalloc(run->call.nr, sizeof(*run->pairs), GFP_KERNEL);
	return run->mm && run->pairs ? 0 : -ENOMEM;
}

static void close_run(struct loose_run *run)
{
	kvfree(run->pairs);
	if (run->mm)
		mmput(run->mm);
	if (run->file)
		fput(run->file);
}

long exchange_test_loose_call(unsigned long argument)
{
	struct loose_run run = {};
	long ret;

	if (copy_from_user(&run.call, (void __user *)argument, sizeof(run.call)))
		return -EFAULT;
	ret = open_run(&run);
	if (!ret)
		ret = exchange_pairs(&run);
	close_run(&run);
	if (!ret && copy_to_user((void __user *)argument, &run.call, sizeof(run.call)))
		ret = -EFAULT;
	return ret;
}
