// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A thread that holds the mmap lock of a process for writing, as long as the
 * caller has the device file open; see held_space.h.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "held_space.h"
#include "hostile_plan.h"

struct held_space {
	struct mm_struct *mm;
	struct completion started;
	struct task_struct *thread;
};

static int hold(void *data)
{
	struct held_space *held = data;

	mmap_write_lock(held->mm);
	complete(&held->started);
	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	mmap_write_unlock(held->mm);
	return 0;
}

static long start(struct held_space *held, pid_t pid)
{
	held->mm = exchange_test_mm(pid);
	if (!held->mm)
		return -ESRCH;
	init_completion(&held->started);
	held->thread = kthread_run(hold, held, "exchange_held");
	if (IS_ERR(held->thread)) {
		mmput(held->mm);
		return PTR_ERR(held->thread);
	}
	wait_for_completion(&held->started);
	return 0;
}

long exchange_test_hold_call(struct file *file, pid_t pid)
{
	struct held_space *held;
	long ret;

	if (file->private_data)
		return -EBUSY;
	held = kzalloc(sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	ret = start(held, pid);
	if (ret)
		kfree(held);
	else
		file->private_data = held;
	return ret;
}

/* The misc device's own data are in the way. */
int exchange_test_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;
	return 0;
}

int exchange_test_release(struct inode *inode, struct file *file)
{
	struct held_space *held = file->private_data;

	if (held) {
		kthread_stop(held->thread);
		mmput(held->mm);
		kfree(held);
	}
	return 0;
}
