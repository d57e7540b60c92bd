/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: checking of guest requests
 *
 * The order of the checks is that of the statuses in virtio_tiermem.h and part
 * of the specification.
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "hw/virtio/virtio-tiermem-request.h"

static bool virtio_tiermem_flags_valid(uint16_t type, uint32_t flags,
                                       bool oom_allowed)
{
    if (!flags) {
        return true;
    }
    return flags == VIRTIO_TIERMEM_REQ_F_OOM && oom_allowed &&
           type == VIRTIO_TIERMEM_REQ_RECLAIM;
}

uint16_t virtio_tiermem_request_parse(const void *buf, size_t len,
                                      uint32_t max_ranges, bool oom_allowed,
                                      VirtIOTiermemRequest *req)
{
    const struct virtio_tiermem_request *wire = buf;

    if (len < sizeof(*wire)) {
        return VIRTIO_TIERMEM_S_INVALID_REQUEST;
    }
    req->type = le16_to_cpu(wire->type);
    req->tier = le16_to_cpu(wire->tier);
    req->flags = le32_to_cpu(wire->flags);
    req->num_ranges = le32_to_cpu(wire->num_ranges);
    req->ranges = (const struct virtio_tiermem_range *)(wire + 1);

    if ((req->type != VIRTIO_TIERMEM_REQ_SURRENDER &&
         req->type != VIRTIO_TIERMEM_REQ_RECLAIM) ||
        !virtio_tiermem_flags_valid(req->type, req->flags, oom_allowed) ||
        wire->reserved || !req->num_ranges || req->num_ranges > max_ranges ||
        len - sizeof(*wire) !=
        (uint64_t)req->num_ranges * sizeof(struct virtio_tiermem_range)) {
        return VIRTIO_TIERMEM_S_INVALID_REQUEST;
    }
    return VIRTIO_TIERMEM_S_OK;
}

bool virtio_tiermem_set_locate(const VirtIOTiermemSet *set,
                               const struct virtio_tiermem_range *range,
                               uint64_t *offset, uint64_t *size)
{
    const uint64_t addr = le64_to_cpu(range->addr);
    uint32_t i;

    *size = le64_to_cpu(range->size);
    if (!*size || !QEMU_IS_ALIGNED(addr | *size, set->block_size)) {
        return false;
    }
    for (i = 0; i < set->num_regions; i++) {
        const VirtIOTiermemRegion *region = &set->regions[i];

        if (addr >= region->addr && addr - region->addr < region->size &&
            *size <= region->size - (addr - region->addr)) {
            *offset = region->offset + (addr - region->addr);
            return true;
        }
    }
    return false;
}

/* Set or clear the blocks of a range; its state is known to be the opposite. */
static void virtio_tiermem_set_mark(VirtIOTiermemSet *set, uint64_t offset,
                                    uint64_t size, bool surrendered)
{
    const uint64_t first = offset / set->block_size;
    const uint64_t n = size / set->block_size;

    if (surrendered) {
        bitmap_set(set->bitmap, first, n);
        set->surrendered += size;
    } else {
        bitmap_clear(set->bitmap, first, n);
        set->surrendered -= size;
    }
}

static bool virtio_tiermem_set_all(const VirtIOTiermemSet *set, uint64_t offset,
                                   uint64_t size, bool surrendered)
{
    const uint64_t first = offset / set->block_size;
    const uint64_t end = first + size / set->block_size;

    return (surrendered ? find_next_zero_bit(set->bitmap, end, first)
                        : find_next_bit(set->bitmap, end, first)) >= end;
}

/* Undo the marks of the ranges [first, end) of a request. */
static void virtio_tiermem_set_rollback(VirtIOTiermemSet *set,
                                        const VirtIOTiermemRequest *req,
                                        uint32_t first, uint32_t end)
{
    uint64_t offset, size;

    for (; first < end; first++) {
        virtio_tiermem_set_locate(set, &req->ranges[first], &offset, &size);
        virtio_tiermem_set_mark(set, offset, size,
                                req->type == VIRTIO_TIERMEM_REQ_RECLAIM);
    }
}

uint16_t virtio_tiermem_set_claim(VirtIOTiermemSet *set,
                                  const VirtIOTiermemRequest *req,
                                  uint64_t quota)
{
    const bool surrender = req->type == VIRTIO_TIERMEM_REQ_SURRENDER;
    uint64_t offset, size;
    uint32_t i;

    for (i = 0; i < req->num_ranges; i++) {
        if (!virtio_tiermem_set_locate(set, &req->ranges[i], &offset, &size)) {
            return VIRTIO_TIERMEM_S_INVALID_RANGE;
        }
    }
    /* Marking as we go also finds ranges of the request that overlap. */
    for (i = 0; i < req->num_ranges; i++) {
        virtio_tiermem_set_locate(set, &req->ranges[i], &offset, &size);
        if (!virtio_tiermem_set_all(set, offset, size, !surrender)) {
            virtio_tiermem_set_rollback(set, req, 0, i);
            return VIRTIO_TIERMEM_S_CONFLICT;
        }
        virtio_tiermem_set_mark(set, offset, size, surrender);
    }
    if (!surrender && virtio_tiermem_set_actual(set) > quota) {
        virtio_tiermem_set_rollback(set, req, 0, req->num_ranges);
        return VIRTIO_TIERMEM_S_QUOTA;
    }
    return VIRTIO_TIERMEM_S_OK;
}

void virtio_tiermem_set_unclaim(VirtIOTiermemSet *set,
                                const VirtIOTiermemRequest *req, uint32_t first)
{
    virtio_tiermem_set_rollback(set, req, first, req->num_ranges);
}

void virtio_tiermem_set_init(VirtIOTiermemSet *set)
{
    set->num_blocks = set->size / set->block_size;
    set->bitmap = bitmap_new(set->num_blocks);
    set->surrendered = 0;
}

void virtio_tiermem_set_destroy(VirtIOTiermemSet *set)
{
    g_free(set->bitmap);
    set->bitmap = NULL;
}

void virtio_tiermem_set_clear(VirtIOTiermemSet *set)
{
    bitmap_zero(set->bitmap, set->num_blocks);
    set->surrendered = 0;
}

void virtio_tiermem_set_recount(VirtIOTiermemSet *set)
{
    set->surrendered = (uint64_t)bitmap_count_one(set->bitmap,
                                                  set->num_blocks) *
                       set->block_size;
}

bool virtio_tiermem_set_next(const VirtIOTiermemSet *set, uint64_t *offset,
                             uint64_t *size)
{
    const uint64_t num_blocks = set->num_blocks;
    const uint64_t first = find_next_bit(set->bitmap, num_blocks,
                                         *offset / set->block_size);
    uint64_t end;

    if (first >= num_blocks) {
        return false;
    }
    end = find_next_zero_bit(set->bitmap, num_blocks, first);
    *offset = first * set->block_size;
    *size = (end - first) * set->block_size;
    return true;
}
