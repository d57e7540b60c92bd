/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * samples_stream.h - what /sys/kernel/debug/virtio_tiermem/samples delivers
 *
 * Records in the guest's byte order, in the order of each CPU. Opening the file
 * starts the sampler if it does not run, closing it then stops it. A read returns
 * whole records, waits until there is one, and refuses buffers that are smaller;
 * it ends with ENODEV when the device is removed.
 * Used by the driver and by tools that read the stream.
 */
#ifndef TIERMEM_SAMPLES_STREAM_H
#define TIERMEM_SAMPLES_STREAM_H

#include <linux/types.h>

struct tiermem_stream_sample {
	__u64 addr;	/* virtual address of the data */
	__u64 ip;	/* of the instruction that accessed it; 0: unknown */
	__u32 tgid;	/* process */
	__u32 cpu;
	__u32 latency;	/* cycles; 0: unknown */
	__u32 weight;	/* accesses that the sample stands for */
};

#endif /* TIERMEM_SAMPLES_STREAM_H */
