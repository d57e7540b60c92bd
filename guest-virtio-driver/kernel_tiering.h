/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_tiering.h - the kernel's own ways to move pages between nodes
 *
 * NUMA balancing promotes what a CPU touches, whatever it is worth; demotion by
 * reclaim moves what the driver has just promoted. Both work against a plan. The
 * driver says so once, and turns them off when it is told to own them, again if need be.
 *
 * Locks: callers are serialized (tiering.control).
 */
#ifndef TIERMEM_KERNEL_TIERING_H
#define TIERMEM_KERNEL_TIERING_H

#include <linux/device.h>
#include <linux/types.h>

/* Warn, once for each, of what is on. */
void tiermem_kernel_tiering_warn(struct device *dev);
/* Turn off what is on and remember it. 0, or -EOPNOTSUPP: nothing can be changed. */
int tiermem_kernel_tiering_own(void);
/* Turn on again what tiermem_kernel_tiering_own() has turned off. */
void tiermem_kernel_tiering_release(void);

#endif /* TIERMEM_KERNEL_TIERING_H */
