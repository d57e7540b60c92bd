/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: a machine's memory tiers with quotas that change at run time
 *
 * Each tier is a NUMA node of the machine with a memory backend of its own. The
 * device tells the guest how much of each tier it may use, takes back what the
 * guest surrenders, and measures by itself what is resident.
 */
#ifndef HW_VIRTIO_TIERMEM_H
#define HW_VIRTIO_TIERMEM_H

#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-tiermem-request.h"
#include "qapi/qapi-types-tiermem.h"
#include "qemu/notify.h"
#include "qom/object.h"
#include "system/hostmem.h"

#define TYPE_VIRTIO_TIERMEM "virtio-tiermem-device"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOTiermem, VIRTIO_TIERMEM)

/* The device has these two; the wire format allows more. */
#define VIRTIO_TIERMEM_FAST 0
#define VIRTIO_TIERMEM_SLOW 1
#define VIRTIO_TIERMEM_NUM_TIERS 2

#define VIRTIO_TIERMEM_FAST_NODE_PROP "fast-node"
#define VIRTIO_TIERMEM_SLOW_NODE_PROP "slow-node"
#define VIRTIO_TIERMEM_FAST_QUOTA_PROP "fast-quota"
#define VIRTIO_TIERMEM_SLOW_QUOTA_PROP "slow-quota"
#define VIRTIO_TIERMEM_QOS_CLASS_PROP "qos-class"
#define VIRTIO_TIERMEM_QOS_WEIGHT_PROP "qos-weight"
#define VIRTIO_TIERMEM_FAST_MIN_PROP "fast-min"
#define VIRTIO_TIERMEM_BANDWIDTH_PROP "migration-bandwidth"
#define VIRTIO_TIERMEM_CPU_BUDGET_PROP "cpu-budget"

typedef struct VirtIOTiermemTier {
    VirtIOTiermemSet set;
    HostMemoryBackend *memdev;
    /* bytes that the guest may use; a multiple of the block size */
    uint64_t requested;
    /* nanoseconds and bytes per second, as in the machine's HMAT; 0: unknown */
    uint32_t read_latency, write_latency;
    uint64_t read_bandwidth, write_bandwidth;
    uint32_t node;
    /* the quota was given on the command line */
    bool quota_set;
} VirtIOTiermemTier;

typedef struct VirtIOTiermemQos {
    /* a TiermemQosClass */
    uint32_t class;
    uint32_t weight;
    /* bytes of the fast tier below which its quota may not fall */
    uint64_t fast_min;
    /* bytes per second; 0: no limit */
    uint64_t migration_bandwidth;
    /* permille of one virtual CPU */
    uint32_t cpu_budget;
    /* ms that the guest has for a smaller quota; 0: no deadline */
    uint32_t shrink_deadline;
} VirtIOTiermemQos;

/* One statistic in host byte order. */
typedef struct VirtIOTiermemStat {
    uint16_t tag, tier;
    uint32_t index;
    /* its place in the guest's buffer */
    uint32_t order;
    uint64_t value;
} VirtIOTiermemStat;

/* The newest statistics from the guest, and what the device thinks of them. */
typedef struct VirtIOTiermemStats {
    /* known ones only, by tag, tier and index, and those that they replaced */
    VirtIOTiermemStat *entries, *before;
    uint32_t num, num_before;
    /* set while a buffer is copied from the guest; holds the largest one */
    struct virtio_tiermem_stat *wire;
    /* whether any have come since the reset; when (ms, guest and host clock) */
    bool received;
    int64_t guest_ms, host_ms;
    /* bits of TiermemDoubt */
    uint32_t doubts;

    /* CPU time of the virtual CPUs (ns), and when it was taken (guest clock) */
    bool measured;
    int64_t cpu_ns, measured_ms;
    /* permille of one CPU that the virtual CPUs have used of late */
    uint64_t busy;
} VirtIOTiermemStats;

struct VirtIOTiermem {
    VirtIODevice parent_obj;

    VirtIOTiermemTier tiers[VIRTIO_TIERMEM_NUM_TIERS];
    VirtIOTiermemQos qos;
    uint64_t host_features;

    VirtQueue *request_vq, *stats_vq;
    /* the driver's buffer, kept until newer statistics are wanted */
    VirtQueueElement *stats_elem;
    /* newer ones were wanted while the machine was stopped */
    bool stats_due;
    VirtIOTiermemStats stats;

    /* fires when the guest should have reached its quotas */
    QEMUTimer *deadline;
    NotifierWithReturn precopy_notifier;
    /* set while a request is copied from the guest; holds the largest one */
    void *request_buf;
};

/* virtio-tiermem-memory.c: the host memory behind a tier. BQL held. */

/**
 * virtio_tiermem_tier_attach: find the node's backend and where it is mapped
 *
 * Fills in the set, the memory backend and the performance attributes of @tier,
 * whose node number is set. On error @tier needs no cleanup.
 */
bool virtio_tiermem_tier_attach(VirtIOTiermemTier *tier, const char *node_prop,
                                Error **errp);
void virtio_tiermem_tier_detach(VirtIOTiermemTier *tier);

/* Whether host memory may be discarded now (VFIO, postcopy, snapshots). */
bool virtio_tiermem_discard_possible(void);

/* Give host memory back. Bytes within the backend. 0 or a negative errno. */
int virtio_tiermem_tier_discard(VirtIOTiermemTier *tier, uint64_t offset,
                                uint64_t size);
/* Discard all that is surrendered, as after an incoming migration. */
int virtio_tiermem_tier_discard_surrendered(VirtIOTiermemTier *tier);

/* Take what is surrendered out of the pages that a migration has to send. */
void virtio_tiermem_tier_skip_migration(VirtIOTiermemTier *tier);

/**
 * virtio_tiermem_tier_resident: bytes of the tier that the host has populated
 *
 * Takes time in proportion to the size of the tier.
 *
 * Returns: 0 or a negative errno.
 */
int virtio_tiermem_tier_resident(const VirtIOTiermemTier *tier,
                                 uint64_t *resident);
/**
 * virtio_tiermem_tier_trespassed: whether surrendered memory is in use
 *
 * What may share a transparent huge page with memory of the guest does not
 * count: the host itself populates it.
 */
bool virtio_tiermem_tier_trespassed(const VirtIOTiermemTier *tier);

/* virtio-tiermem-stats.c: what the guest claims. BQL held. */

void virtio_tiermem_stats_init(VirtIOTiermemStats *stats);
void virtio_tiermem_stats_destroy(VirtIOTiermemStats *stats);
/* Forget all, as after a reset. */
void virtio_tiermem_stats_clear(VirtIOTiermemStats *stats);
/* Keep and judge what a buffer of the guest says. */
void virtio_tiermem_stats_receive(VirtIOTiermem *s, const struct iovec *iov,
                                  unsigned iov_num);

/* virtio-tiermem.c: what the monitor commands act on. BQL held. */

/* The names of a tier's properties, for messages. */
const char *virtio_tiermem_node_prop(unsigned tier);
const char *virtio_tiermem_quota_prop(unsigned tier);

/* Check one quota against all its limits; @fast_min is in bytes. */
bool virtio_tiermem_check_quota(const VirtIOTiermem *s, unsigned tier,
                                uint64_t size, uint64_t fast_min, Error **errp);
/**
 * virtio_tiermem_set_quotas: change all quotas at once; they were checked
 * @deadline_ms: for the guest to get there; 0: none
 */
void virtio_tiermem_set_quotas(VirtIOTiermem *s, const uint64_t *sizes,
                               uint32_t deadline_ms);
bool virtio_tiermem_check_qos(const VirtIOTiermem *s,
                              const VirtIOTiermemQos *qos, Error **errp);
void virtio_tiermem_set_qos(VirtIOTiermem *s, const VirtIOTiermemQos *qos);

/* Whether a driver has negotiated and started the device. */
bool virtio_tiermem_driver_ready(VirtIOTiermem *s);
/**
 * virtio_tiermem_measure: as virtio_tiermem_tier_resident(), and an event if
 * the guest uses more than it has left
 */
int virtio_tiermem_measure(VirtIOTiermem *s, unsigned tier, uint64_t *resident);
/*
 * Ask the driver for newer statistics; they come later, those of a stopped
 * machine when it runs again.
 */
void virtio_tiermem_poll_stats(VirtIOTiermem *s);
/* The id that QMP knows the device by; never NULL. */
const char *virtio_tiermem_id(VirtIOTiermem *s);

#endif
