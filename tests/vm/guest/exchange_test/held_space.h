/* SPDX-License-Identifier: GPL-2.0-or-later */
/* held_space.h - holding the mmap lock of a process for as long as a program wants. */
#ifndef HELD_SPACE_H
#define HELD_SPACE_H

#include <linux/types.h>

struct file;
struct inode;

/* Returns once the lock of @pid's address space is held: until the file is closed. One at a time for a file. */
long exchange_test_hold_call(struct file *file, pid_t pid);
int exchange_test_open(struct inode *inode, struct file *file);
int exchange_test_release(struct inode *inode, struct file *file);

#endif /* HELD_SPACE_H */
