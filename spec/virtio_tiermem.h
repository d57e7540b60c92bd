/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_tiermem.h - the wire format of the virtio tiered memory device
 *
 * The only definition of the protocol: device, driver, tests and tools include
 * this file; spec/virtio-tiermem.md is its normative text. All fields are
 * little-endian. Reserved fields are zero when written and ignored when read
 * from the configuration space; a request with a non-zero reserved field is
 * refused (VIRTIO_TIERMEM_S_INVALID_REQUEST).
 *
 * A tier is a set of guest-physical regions of one kind of memory (tier 0 is
 * the fastest). The host says how much of each tier the guest may use (its
 * quota, "requested"); the guest hands the rest back ("surrenders" it) and may
 * take it back later ("reclaims" it). "actual" is what is left to the guest:
 * the tier's size less what is surrendered.
 */
#ifndef _LINUX_VIRTIO_TIERMEM_H
#define _LINUX_VIRTIO_TIERMEM_H

#if defined(__has_include)
#if __has_include("standard-headers/linux/types.h")
#include "standard-headers/linux/types.h"
#else
#include <linux/types.h>
#endif
#else
#include <linux/types.h>
#endif

/* Provisional device ID; modern PCI device ID 0x1040 + 63 = 0x107f. */
#define VIRTIO_ID_TIERMEM			63

/* Feature bits: one per separable behaviour. */

/* The statistics queue exists. */
#define VIRTIO_TIERMEM_F_STATS			0
/* The driver may reclaim beyond its quota when the guest is out of memory. */
#define VIRTIO_TIERMEM_F_RECLAIM_ON_OOM		1
/* The field "qos" of the configuration space is valid. */
#define VIRTIO_TIERMEM_F_QOS			2

/* Virtqueues. The statistics queue exists only with VIRTIO_TIERMEM_F_STATS. */
#define VIRTIO_TIERMEM_VQ_REQUEST		0
#define VIRTIO_TIERMEM_VQ_STATS			1

#define VIRTIO_TIERMEM_MAX_TIERS		8
#define VIRTIO_TIERMEM_MAX_REGIONS		4
/* Most ranges that a device may allow in one request ("max_ranges"). */
#define VIRTIO_TIERMEM_MAX_RANGES		1024
/* Most entries of one statistics buffer; the device ignores what follows. */
#define VIRTIO_TIERMEM_MAX_STATS		512
/* Most points of a hotness curve. */
#define VIRTIO_TIERMEM_MAX_CURVE_POINTS		32
/* Greatest weight of a machine ("weight"); the least is 1. */
#define VIRTIO_TIERMEM_MAX_WEIGHT		10000
/* "cpu_budget" is in permille of one virtual CPU. */
#define VIRTIO_TIERMEM_MAX_CPU_BUDGET		1000

#ifdef __cplusplus
#define VIRTIO_TIERMEM_ASSERT(...)	static_assert(__VA_ARGS__)
#else
#define VIRTIO_TIERMEM_ASSERT(...)	_Static_assert(__VA_ARGS__)
#endif
#define VIRTIO_TIERMEM_ASSERT_SIZE(type, size) \
	VIRTIO_TIERMEM_ASSERT(sizeof(type) == (size), "size of " #type)
#define VIRTIO_TIERMEM_ASSERT_OFFSET(type, field, offset) \
	VIRTIO_TIERMEM_ASSERT(__builtin_offsetof(type, field) == (offset), \
			      "offset of " #type "." #field)

/* One guest-physical region of a tier; constant after device start. */
struct virtio_tiermem_region {
	__le64 addr;		/* bytes, a multiple of block_size */
	__le64 size;		/* bytes, a multiple of block_size, not 0 */
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_region, 16);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_region, addr, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_region, size, 8);

/*
 * One tier. "requested" is changed by the device at any time, with a
 * configuration change notification; "actual" is changed by the device when it
 * carries out a request, without one. All else is constant after device start.
 */
struct virtio_tiermem_tier {
	__le64 size;		/* bytes: the sum of its regions */
	__le64 requested;	/* bytes: quota; a multiple of block_size */
	__le64 actual;		/* bytes: size less what is surrendered */
	__le64 block_size;	/* bytes: power of two >= 4096; grain of ranges */
	__le32 node;		/* proximity domain of the tier's memory */
	__le32 num_regions;	/* valid entries of regions[], at least 1 */
	__le32 read_latency;	/* ns from the first initiator; 0: unknown */
	__le32 write_latency;	/* ns; 0: unknown */
	__le64 read_bandwidth;	/* bytes per second; 0: unknown */
	__le64 write_bandwidth;	/* bytes per second; 0: unknown */
	struct virtio_tiermem_region regions[VIRTIO_TIERMEM_MAX_REGIONS];
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_tier, 128);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, size, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, requested, 8);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, actual, 16);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, block_size, 24);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, node, 32);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, num_regions, 36);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, read_latency, 40);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, write_latency, 44);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, read_bandwidth, 48);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, write_bandwidth, 56);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_tier, regions, 64);

/* Service classes ("qos_class"), in descending order of precedence. */
#define VIRTIO_TIERMEM_QOS_GUARANTEED		0
#define VIRTIO_TIERMEM_QOS_BURSTABLE		1
#define VIRTIO_TIERMEM_QOS_BEST_EFFORT		2

/*
 * Quality of service; only with VIRTIO_TIERMEM_F_QOS. Changed by the device at
 * any time, with a configuration change notification.
 */
struct virtio_tiermem_qos {
	__le32 qos_class;		/* VIRTIO_TIERMEM_QOS_* */
	__le32 weight;			/* 1 .. VIRTIO_TIERMEM_MAX_WEIGHT */
	__le64 fast_min;		/* bytes of tier 0 promised to the guest */
	__le64 migration_bandwidth;	/* bytes per second; 0: no limit */
	__le32 cpu_budget;		/* permille of one CPU for management */
	__le32 shrink_deadline;		/* ms for a smaller quota; 0: none */
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_qos, 32);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_qos, qos_class, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_qos, weight, 4);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_qos, fast_min, 8);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_qos, migration_bandwidth, 16);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_qos, cpu_budget, 24);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_qos, shrink_deadline, 28);

/* The device's configuration space; read-only for the driver. */
struct virtio_tiermem_config {
	__le32 num_tiers;	/* 1 .. VIRTIO_TIERMEM_MAX_TIERS; constant */
	__le32 max_ranges;	/* per request, 1 .. MAX_RANGES; constant */
	struct virtio_tiermem_qos qos;
	__le64 reserved[3];
	struct virtio_tiermem_tier tiers[VIRTIO_TIERMEM_MAX_TIERS];
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_config, 1088);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_config, num_tiers, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_config, max_ranges, 4);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_config, qos, 8);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_config, reserved, 40);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_config, tiers, 64);

/*
 * Request queue: a device-readable struct virtio_tiermem_request, directly
 * followed by num_ranges struct virtio_tiermem_range, then a device-writable
 * struct virtio_tiermem_response. Several requests may be under way.
 */

/* Hand ranges back to the host; their content is lost. */
#define VIRTIO_TIERMEM_REQ_SURRENDER		1
/* Take surrendered ranges back, within the quota; their content is undefined. */
#define VIRTIO_TIERMEM_REQ_RECLAIM		2

/*
 * Flag of a reclaim: the guest is out of memory; the quota does not bound this
 * request. Only with VIRTIO_TIERMEM_F_RECLAIM_ON_OOM.
 */
#define VIRTIO_TIERMEM_REQ_F_OOM		(1 << 0)

struct virtio_tiermem_range {
	__le64 addr;		/* guest-physical bytes, multiple of block_size */
	__le64 size;		/* bytes, multiple of block_size, not 0 */
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_range, 16);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_range, addr, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_range, size, 8);

struct virtio_tiermem_request {
	__le16 type;		/* VIRTIO_TIERMEM_REQ_* */
	__le16 tier;		/* 0 .. num_tiers - 1 */
	__le32 flags;		/* VIRTIO_TIERMEM_REQ_F_* */
	__le32 num_ranges;	/* 1 .. max_ranges */
	__le32 reserved;
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_request, 16);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_request, type, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_request, tier, 2);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_request, flags, 4);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_request, num_ranges, 8);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_request, reserved, 12);

/*
 * Statuses, in the order in which the device checks. After S_OK all ranges have
 * been carried out, after S_ERROR the first "done_ranges" ones, else none.
 * S_QUOTA answers only a reclaim, S_BUSY and S_ERROR only a surrender, all others
 * answer both. "actual" is 0 with S_INVALID_REQUEST and S_INVALID_TIER.
 */
#define VIRTIO_TIERMEM_S_OK			0
/* Lengths, type, flags, num_ranges or a reserved field are wrong. */
#define VIRTIO_TIERMEM_S_INVALID_REQUEST	1
/* No such tier. */
#define VIRTIO_TIERMEM_S_INVALID_TIER		2
/* A range is empty, unaligned, wrapping or not inside one region of the tier. */
#define VIRTIO_TIERMEM_S_INVALID_RANGE		3
/*
 * A range to surrender is (partly) surrendered, one to reclaim is (partly) not,
 * or two ranges of the request overlap.
 */
#define VIRTIO_TIERMEM_S_CONFLICT		4
/* The reclaim would lift actual above requested. */
#define VIRTIO_TIERMEM_S_QUOTA			5
/* The host cannot take memory back for now; try again later. */
#define VIRTIO_TIERMEM_S_BUSY			6
/* The host failed to take memory back part-way: see done_ranges. */
#define VIRTIO_TIERMEM_S_ERROR			7

struct virtio_tiermem_response {
	__le16 status;		/* VIRTIO_TIERMEM_S_* */
	__le16 reserved;
	__le32 done_ranges;	/* ranges carried out, from the first on */
	__le64 actual;		/* bytes left to the guest in the tier after it */
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_response, 16);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_response, status, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_response, reserved, 2);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_response, done_ranges, 4);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_response, actual, 8);

/*
 * Statistics queue: the driver fills a device-readable buffer with entries and
 * makes it available; the device keeps it and uses it when it wants a newer
 * one. Unknown tags are ignored; of equal (tag, tier, index) the last counts.
 */
#define VIRTIO_TIERMEM_STAT_NO_TIER		0xffff

#define VIRTIO_TIERMEM_STAT_TOTAL		0  /* bytes managed by the guest */
#define VIRTIO_TIERMEM_STAT_FREE		1  /* bytes free */
#define VIRTIO_TIERMEM_STAT_RECLAIMABLE		2  /* bytes free-able without swap */
#define VIRTIO_TIERMEM_STAT_PROMOTED		3  /* bytes moved to this tier from slower ones */
#define VIRTIO_TIERMEM_STAT_DEMOTED		4  /* bytes moved to this tier from faster ones */
#define VIRTIO_TIERMEM_STAT_EXCHANGE_FAILED	5  /* pairs; index: cause */
#define VIRTIO_TIERMEM_STAT_SAMPLES		6  /* sampled accesses served by the tier */
#define VIRTIO_TIERMEM_STAT_CPU_TIME		7  /* ns; index: stage; no tier */
#define VIRTIO_TIERMEM_STAT_CURVE_BYTES		8  /* bytes up to point index of the curve; no tier */
#define VIRTIO_TIERMEM_STAT_CURVE_RATE		9  /* accesses per s within those bytes; no tier */
#define VIRTIO_TIERMEM_STAT_OOM_RECLAIMS	10 /* reclaims under memory pressure */

struct virtio_tiermem_stat {
	__le16 tag;		/* VIRTIO_TIERMEM_STAT_* */
	__le16 tier;		/* or VIRTIO_TIERMEM_STAT_NO_TIER */
	__le32 index;		/* 0 where the tag has none */
	__le64 value;
};

VIRTIO_TIERMEM_ASSERT_SIZE(struct virtio_tiermem_stat, 16);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_stat, tag, 0);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_stat, tier, 2);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_stat, index, 4);
VIRTIO_TIERMEM_ASSERT_OFFSET(struct virtio_tiermem_stat, value, 8);

#endif /* _LINUX_VIRTIO_TIERMEM_H */
