/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: checking of guest requests
 *
 * Pure functions on plain data: a request arrives as bytes from an untrusted
 * guest, is parsed, validated against a tier's geometry and claimed in the
 * tier's set of surrendered blocks. Nothing here touches guest memory, so the
 * same file is linked into the fuzzer.
 *
 * Not thread-safe; the device calls everything with the BQL held.
 */
#ifndef HW_VIRTIO_TIERMEM_REQUEST_H
#define HW_VIRTIO_TIERMEM_REQUEST_H

#include "standard-headers/linux/virtio_tiermem.h"

/* One guest-physical region of a tier. Bytes, multiples of the block size. */
typedef struct VirtIOTiermemRegion {
    uint64_t addr;
    uint64_t size;
    /* where the region starts in the tier's memory backend */
    uint64_t offset;
} VirtIOTiermemRegion;

/* The memory of a tier, and which blocks of it are surrendered. */
typedef struct VirtIOTiermemSet {
    VirtIOTiermemRegion regions[VIRTIO_TIERMEM_MAX_REGIONS];
    uint32_t num_regions;
    uint64_t block_size;
    /* bytes: the memory backend, the sum of the regions */
    uint64_t size;
    /* bytes, the sum over @bitmap */
    uint64_t surrendered;
    /* one bit per block, by backend offset: set while it is surrendered */
    unsigned long *bitmap;
    /* signed as vmstate wants it; at most VIRTIO_TIERMEM_MAX_BLOCKS */
    int32_t num_blocks;
} VirtIOTiermemSet;

/* Bounds the bitmap, and with blocks of 4 KiB a tier to 8 TiB. */
#define VIRTIO_TIERMEM_MAX_BLOCKS INT32_MAX

/* A request in host byte order; @ranges points into the guest's bytes. */
typedef struct VirtIOTiermemRequest {
    uint16_t type;
    uint16_t tier;
    uint32_t flags;
    uint32_t num_ranges;
    const struct virtio_tiermem_range *ranges;
} VirtIOTiermemRequest;

/**
 * virtio_tiermem_request_parse: check what needs no knowledge of the tiers
 * @buf: the device-readable part of the chain, aligned for 64-bit access
 * @len: its length in bytes
 * @max_ranges: most ranges in one request
 * @oom_allowed: VIRTIO_TIERMEM_F_RECLAIM_ON_OOM was negotiated
 * @req: the result; valid as long as @buf
 *
 * Returns: VIRTIO_TIERMEM_S_OK or VIRTIO_TIERMEM_S_INVALID_REQUEST.
 */
uint16_t virtio_tiermem_request_parse(const void *buf, size_t len,
                                      uint32_t max_ranges, bool oom_allowed,
                                      VirtIOTiermemRequest *req);

/**
 * virtio_tiermem_set_locate: where a range lies in the tier's memory
 * @offset: set to the backend offset of the range, in bytes
 *
 * Returns: false if the range is empty, unaligned, wraps, or is not inside one
 * region.
 */
bool virtio_tiermem_set_locate(const VirtIOTiermemSet *set,
                               const struct virtio_tiermem_range *range,
                               uint64_t *offset, uint64_t *size);

/**
 * virtio_tiermem_set_claim: validate all ranges and mark them
 * @quota: bytes that may be left to the guest after a reclaim; UINT64_MAX
 *         where the quota does not bound the request
 *
 * On success the blocks of a surrender are marked as surrendered and those of a
 * reclaim as not; on failure @set is unchanged.
 *
 * Returns: a VIRTIO_TIERMEM_S_* status.
 */
uint16_t virtio_tiermem_set_claim(VirtIOTiermemSet *set,
                                  const VirtIOTiermemRequest *req,
                                  uint64_t quota);

/**
 * virtio_tiermem_set_unclaim: take back the marks of ranges from @first on
 *
 * For a request that was claimed but could not be carried out to its end.
 */
void virtio_tiermem_set_unclaim(VirtIOTiermemSet *set,
                                const VirtIOTiermemRequest *req,
                                uint32_t first);

/**
 * virtio_tiermem_set_init: prepare an empty set
 *
 * The regions, @block_size and @size must have been filled in.
 */
void virtio_tiermem_set_init(VirtIOTiermemSet *set);
void virtio_tiermem_set_destroy(VirtIOTiermemSet *set);

/* Forget that anything was surrendered. */
void virtio_tiermem_set_clear(VirtIOTiermemSet *set);

/* Recompute @surrendered after the bitmap was loaded. */
void virtio_tiermem_set_recount(VirtIOTiermemSet *set);

/* Bytes left to the guest. */
static inline uint64_t virtio_tiermem_set_actual(const VirtIOTiermemSet *set)
{
    return set->size - set->surrendered;
}

/**
 * virtio_tiermem_set_next: the next run of surrendered memory
 * @offset: in: backend offset to search from; out: start of the run
 * @size: bytes of the run
 *
 * Returns: false if there is none.
 */
bool virtio_tiermem_set_next(const VirtIOTiermemSet *set, uint64_t *offset,
                             uint64_t *size);

#endif
