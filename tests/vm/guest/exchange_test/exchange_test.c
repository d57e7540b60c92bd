// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device file that lets programs of tests call the exchanger, and make trouble
 * for it. Never part of a product.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "exchange.h"
#include "exchange_test.h"
#include "held_space.h"
#include "hostile_plan.h"
#include "kernel_symbols.h"
#include "loose_pairs.h"

#define MAX_SPACES 16
#define TEASE_ROUNDS 200
#define HOLD_MS 20

static bool blind;
module_param(blind, bool, 0444);
MODULE_PARM_DESC(blind, "look up no symbols, as in a kernel that has none");

struct run {
	struct exchange_test_call call;
	struct exchange_test_pair *asked;
	struct tiermem_pair *pairs;
	struct tiermem_exchange_stats stats;
	unsigned int nr_spaces;
	pid_t pids[MAX_SPACES];
	struct mm_struct *spaces[MAX_SPACES];
	struct page *page;		/* of the first pair's cold side, if trouble wants it */
	struct mmu_notifier notifier;
	unsigned int announced, ended;	/* invalidations of the first pair's cold page */
};

struct mm_struct *exchange_test_mm(pid_t pid)
{
	struct task_struct *task;
	struct mm_struct *mm = NULL;

	if (!pid)
		return get_task_mm(current);
	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (task) {
		mm = get_task_mm(task);
		put_task_struct(task);
	}
	return mm;
}

static struct mm_struct *space_of(struct run *run, pid_t pid)
{
	unsigned int i;

	for (i = 0; i < run->nr_spaces; i++)
		if (run->pids[i] == pid)
			return run->spaces[i];
	if (i == MAX_SPACES)
		return NULL;
	run->spaces[i] = exchange_test_mm(pid);
	if (!run->spaces[i])
		return NULL;
	run->pids[i] = pid;
	run->nr_spaces++;
	return run->spaces[i];
}

static int read_pairs(struct run *run)
{
	size_t bytes = run->call.nr * sizeof(*run->asked);
	unsigned int i;

	run->asked = kvmalloc(bytes, GFP_KERNEL);
	run->pairs = kvcalloc(run->call.nr, sizeof(*run->pairs), GFP_KERNEL);
	if (!run->asked || !run->pairs)
		return -ENOMEM;
	if (copy_from_user(run->asked, u64_to_user_ptr(run->call.pairs), bytes))
		return -EFAULT;
	for (i = 0; i < run->call.nr; i++) {
		struct exchange_test_pair *asked = &run->asked[i];

		run->pairs[i] = (struct tiermem_pair) {
			.hot = { space_of(run, asked->hot_pid), asked->hot_addr },
			.cold = { space_of(run, asked->cold_pid), asked->cold_addr },
			.huge = asked->huge,
		};
		if (!run->pairs[i].hot.mm || !run->pairs[i].cold.mm)
			return -ESRCH;
	}
	return 0;
}

static int write_answers(struct run *run, unsigned long argument)
{
	unsigned int i;

	for (i = 0; i < run->call.nr; i++)
		run->asked[i].outcome = run->pairs[i].outcome;
	for (i = 0; i < TIERMEM_EXCHANGE_OUTCOMES; i++)
		run->call.outcomes[i] = run->stats.pairs[i];
	run->call.huge = run->stats.huge;
	run->call.batches = run->stats.batches;
	run->call.flushes = run->stats.flushes;
	run->call.rebuilt = run->stats.rebuilt;
	run->call.zapped = run->stats.zapped;
	run->call.split = run->stats.split;
	if (copy_to_user(u64_to_user_ptr(run->call.pairs), run->asked,
			 run->call.nr * sizeof(*run->asked)) ||
	    copy_to_user((void __user *)argument, &run->call, sizeof(run->call)))
		return -EFAULT;
	return 0;
}

static void exchange(struct run *run)
{
	tiermem_exchange(run->pairs, run->call.nr, &run->stats);
}

/* Trouble */

static struct page *cold_page(struct run *run, unsigned int i)
{
	struct page *page;

	/* Of the caller only; that is all that the tests need. */
	return get_user_pages_fast(run->pairs[i].cold.addr, 1, 0, &page) == 1 ? page : NULL;
}

static int pretend(struct run *run, unsigned long bit)
{
	unsigned long *flags;
	bool was_set;

	/* Else the page's way to its LRU list may clear the flag. */
	static_call(tiermem_lru_add_drain_all)();
	run->page = cold_page(run, 0);
	if (!run->page)
		return -EFAULT;
	flags = &compound_head(run->page)->flags;
	was_set = test_and_set_bit(bit, flags);
	put_page(run->page);
	exchange(run);
	if (!was_set)
		clear_bit(bit, flags);
	return 0;
}

static int lock_page_meanwhile(struct run *run)
{
	run->page = cold_page(run, 0);
	if (!run->page)
		return -EFAULT;
	lock_page(run->page);
	exchange(run);
	unlock_page(run->page);
	put_page(run->page);
	return 0;
}

static int range_starts(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct run *run = container_of(notifier, struct run, notifier);
	unsigned long addr = run->pairs[0].cold.addr;

	run->announced += addr >= range->start && addr < range->end;
	return 0;
}

static void range_ends(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct run *run = container_of(notifier, struct run, notifier);
	unsigned long addr = run->pairs[0].cold.addr;

	run->ended += addr >= range->start && addr < range->end;
}

static const struct mmu_notifier_ops notifications = {
	.invalidate_range_start = range_starts,
	.invalidate_range_end = range_ends,
};

/* What is exchanged has to be announced, and the announcement ended. */
static int notify_meanwhile(struct run *run)
{
	int ret;

	run->notifier.ops = &notifications;
	ret = mmu_notifier_register(&run->notifier, run->pairs[0].cold.mm);
	if (ret)
		return ret;
	exchange(run);
	mmu_notifier_unregister(&run->notifier, run->pairs[0].cold.mm);
	if (run->announced != run->ended ||
	    (run->stats.pairs[TIERMEM_EXCHANGED] && !run->announced))
		return -EIO;
	return 0;
}

struct teaser {
	struct page **pages;
	unsigned int nr;
};

static int tease(void *data)
{
	struct teaser *teaser = data;
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < teaser->nr; i++)
			if (get_page_unless_zero(teaser->pages[i]))
				put_page(teaser->pages[i]);
		cond_resched();
	}
	return 0;
}

/* The addresses of the pages are enough: that is what walkers by frame number do. */
static int tease_meanwhile(struct run *run)
{
	struct teaser teaser = {
		.pages = kvcalloc(run->call.nr, sizeof(struct page *), GFP_KERNEL),
	};
	struct task_struct *thread;
	unsigned int i;

	if (!teaser.pages)
		return -ENOMEM;
	for (i = 0; i < run->call.nr; i++) {
		struct page *page = cold_page(run, i);

		if (page) {
			put_page(page);
			teaser.pages[teaser.nr++] = page;
		}
	}
	thread = kthread_run(tease, &teaser, "exchange_tease");
	if (!IS_ERR(thread)) {
		for (i = 0; i < TEASE_ROUNDS && !run->stats.pairs[TIERMEM_REFUSED_LATE]; i++)
			exchange(run);
		kthread_stop(thread);
	}
	kvfree(teaser.pages);
	return PTR_ERR_OR_ZERO(thread);
}

struct holder {
	struct mm_struct *spaces[2];
	struct completion started;
};

/* Holds one of two mmap locks for writing, now this one, now that one. */
static int hold(void *data)
{
	struct holder *holder = data;
	unsigned int held = 1;

	/* Two locks that are taken in turns have no order that lockdep could be told of. */
	lockdep_off();
	mmap_write_lock(holder->spaces[held]);
	complete(&holder->started);
	while (!kthread_should_stop()) {
		msleep(HOLD_MS);
		mmap_write_lock(holder->spaces[!held]);
		mmap_write_unlock(holder->spaces[held]);
		held = !held;
	}
	mmap_write_unlock(holder->spaces[held]);
	lockdep_on();
	return 0;
}

static int hold_meanwhile(struct run *run)
{
	struct holder holder = {
		.spaces = { run->pairs[0].hot.mm, run->pairs[0].cold.mm },
		.started = COMPLETION_INITIALIZER_ONSTACK(holder.started),
	};
	struct task_struct *thread = kthread_run(hold, &holder, "exchange_hold");

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	wait_for_completion(&holder.started);
	exchange(run);
	kthread_stop(thread);
	return 0;
}

static int run_with_trouble(struct run *run)
{
	switch (run->call.trouble) {
	case EXCHANGE_TEST_NONE:
		exchange(run);
		return 0;
	case EXCHANGE_TEST_LOCK_SPACE:
		return hold_meanwhile(run);
	case EXCHANGE_TEST_LOCK_PAGE:
		return lock_page_meanwhile(run);
	case EXCHANGE_TEST_NOTIFIER:
		return notify_meanwhile(run);
#ifdef CONFIG_MEMORY_FAILURE
	case EXCHANGE_TEST_POISON:
		return pretend(run, PG_hwpoison);
#endif
	case EXCHANGE_TEST_SWAPCACHE:
		return pretend(run, PG_swapcache);
	case EXCHANGE_TEST_WRITEBACK:
		return pretend(run, PG_writeback);
	case EXCHANGE_TEST_UNEVICTABLE:
		return pretend(run, PG_unevictable);
	case EXCHANGE_TEST_TEASE:
		return tease_meanwhile(run);
	default:
		return -EOPNOTSUPP;
	}
}

/* The device file */

static long run_call(unsigned long argument)
{
	struct run *run = kzalloc(sizeof(*run), GFP_KERNEL);
	long ret = -EFAULT;

	if (!run)
		return -ENOMEM;
	if (copy_from_user(&run->call, (void __user *)argument, sizeof(run->call)))
		goto out;
	ret = -EINVAL;
	if (!run->call.nr || run->call.nr > EXCHANGE_TEST_MAX_PAIRS)
		goto out;
	ret = read_pairs(run);
	if (!ret)
		ret = run_with_trouble(run);
	if (!ret)
		ret = write_answers(run, argument);
	while (run->nr_spaces)
		mmput(run->spaces[--run->nr_spaces]);
out:
	kvfree(run->pairs);
	kvfree(run->asked);
	kfree(run);
	return ret;
}

static long name_call(unsigned long argument)
{
	struct exchange_test_name call;
	const char *name;

	if (copy_from_user(&call, (void __user *)argument, sizeof(call)))
		return -EFAULT;
	name = tiermem_exchange_outcome_name(call.outcome);
	memset(call.name, 0, sizeof(call.name));
	if (name)
		strscpy(call.name, name, sizeof(call.name));
	return copy_to_user((void __user *)argument, &call, sizeof(call)) ? -EFAULT : 0;
}

static long exchange_test_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	switch (command) {
	case EXCHANGE_TEST_RUN:
		return run_call(argument);
	case EXCHANGE_TEST_NAME:
		return name_call(argument);
	case EXCHANGE_TEST_PLAN:
		return exchange_test_plan_call(argument);
	case EXCHANGE_TEST_HOLD:
		return exchange_test_hold_call(file, argument);
	case EXCHANGE_TEST_LOOSE:
		return exchange_test_loose_call(argument);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations exchange_test_operations = {
	.owner = THIS_MODULE,
	.open = exchange_test_open,
	.unlocked_ioctl = exchange_test_ioctl,
	.release = exchange_test_release,
};

static struct miscdevice exchange_test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "tiermem_exchange_test",
	.fops = &exchange_test_operations,
	.mode = 0600,
};

static int __init exchange_test_init(void)
{
	int ret = blind ? 0 : tiermem_symbols_init();

	BUILD_BUG_ON(TIERMEM_EXCHANGE_OUTCOMES != EXCHANGE_TEST_OUTCOMES);
	if (ret)
		return ret;
	if (tiermem_exchange_unavailable())
		pr_info("tiermem_exchange_test: unavailable for want of %s\n",
			tiermem_exchange_unavailable());
	return misc_register(&exchange_test_device);
}

static void __exit exchange_test_exit(void)
{
	misc_deregister(&exchange_test_device);
}

module_init(exchange_test_init);
module_exit(exchange_test_exit);
MODULE_DESCRIPTION("The exchanger of virtio-tiermem, for tests");
MODULE_LICENSE("GPL");
