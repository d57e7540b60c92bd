/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: the host memory behind a tier
 *
 * Where a NUMA node's memory backend shows in guest-physical memory, how it is
 * given back to the host, and how much of it is populated.
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qapi/error.h"
#include "qemu/units.h"
#include "exec/address-spaces.h"
#include "exec/ramblock.h"
#include "hw/boards.h"
#include "hw/virtio/virtio-tiermem.h"
#include "migration/misc.h"
#include "system/numa.h"
#include "trace.h"

/* The buddy allocator of a guest has no larger block to surrender. */
#define VIRTIO_TIERMEM_MAX_BLOCK_SIZE (4 * MiB)

typedef struct TierMapping {
    VirtIOTiermemSet *set;
    const MemoryRegion *mr;
    /* more regions than the wire format can name */
    bool overflow;
} TierMapping;

/*
 * Extend a region by a mapped piece of the backend, or start a new one. Pieces
 * at the same distance from the backend belong together: what lies between them
 * (legacy VGA, option ROMs) only hides the backend, for a while.
 */
static bool tier_mapping_add(Int128 start, Int128 len, const MemoryRegion *mr,
                             hwaddr offset, void *opaque)
{
    TierMapping *map = opaque;
    VirtIOTiermemSet *set = map->set;
    const uint64_t addr = int128_get64(start);
    VirtIOTiermemRegion *last = set->num_regions ?
                                &set->regions[set->num_regions - 1] : NULL;

    if (mr != map->mr) {
        return false;
    }
    if (last && addr - last->addr == offset - last->offset) {
        last->size = addr + int128_get64(len) - last->addr;
        return false;
    }
    if (set->num_regions == VIRTIO_TIERMEM_MAX_REGIONS) {
        map->overflow = true;
        return true;
    }
    set->regions[set->num_regions++] = (VirtIOTiermemRegion) {
        .addr = addr, .size = int128_get64(len), .offset = offset,
    };
    return false;
}

static bool tier_find_regions(VirtIOTiermemTier *tier, const char *node_prop,
                              Error **errp)
{
    VirtIOTiermemSet *set = &tier->set;
    TierMapping map = { .set = set, .mr = &tier->memdev->mr };
    uint64_t mapped = 0;
    uint32_t i;

    set->num_regions = 0;
    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(&address_space_memory),
                            tier_mapping_add, &map);
    for (i = 0; i < set->num_regions; i++) {
        VirtIOTiermemRegion *region = &set->regions[i];

        if (!QEMU_IS_ALIGNED(region->addr | region->size | region->offset,
                             set->block_size)) {
            error_setg(errp, "'%s': the memory of node %" PRIu32 " at 0x%"
                       PRIx64 " is not aligned to its pages of %" PRIu64
                       " bytes", node_prop, tier->node, region->addr,
                       set->block_size);
            return false;
        }
        mapped += region->size;
    }
    if (map.overflow || mapped != set->size) {
        error_setg(errp, "'%s': the memory of node %" PRIu32 " (%" PRIu64
                   " bytes) must be mapped in at most %d regions; found %"
                   PRIu64 " bytes", node_prop, tier->node, set->size,
                   VIRTIO_TIERMEM_MAX_REGIONS, mapped);
        return false;
    }
    return true;
}

/* What the first initiator sees of the node; 0 where the HMAT does not say. */
static uint64_t tier_hmat(uint32_t node, unsigned type, unsigned fallback)
{
    const NumaState *numa = MACHINE(qdev_get_machine())->numa_state;
    const unsigned types[] = { type, fallback };
    unsigned t, i;

    for (t = 0; t < ARRAY_SIZE(types); t++) {
        const HMAT_LB_Info *info =
            numa->hmat_lb[HMAT_LB_MEM_MEMORY][types[t]];

        for (i = 0; info && i < info->list->len; i++) {
            const HMAT_LB_Data *data = &g_array_index(info->list, HMAT_LB_Data,
                                                      i);
            if (data->target == node && data->data) {
                return data->data;
            }
        }
    }
    return 0;
}

static void tier_read_hmat(VirtIOTiermemTier *tier)
{
    tier->read_latency = MIN(tier_hmat(tier->node, HMAT_LB_DATA_READ_LATENCY,
                                       HMAT_LB_DATA_ACCESS_LATENCY),
                             UINT32_MAX);
    tier->write_latency = MIN(tier_hmat(tier->node, HMAT_LB_DATA_WRITE_LATENCY,
                                        HMAT_LB_DATA_ACCESS_LATENCY),
                              UINT32_MAX);
    tier->read_bandwidth = tier_hmat(tier->node, HMAT_LB_DATA_READ_BANDWIDTH,
                                     HMAT_LB_DATA_ACCESS_BANDWIDTH);
    tier->write_bandwidth = tier_hmat(tier->node, HMAT_LB_DATA_WRITE_BANDWIDTH,
                                      HMAT_LB_DATA_ACCESS_BANDWIDTH);
}

static HostMemoryBackend *tier_find_memdev(uint32_t node, const char *node_prop,
                                           Error **errp)
{
    const NumaState *numa = MACHINE(qdev_get_machine())->numa_state;
    const int num_nodes = numa ? numa->num_nodes : 0;
    HostMemoryBackend *memdev;

    if (node >= num_nodes) {
        error_setg(errp, "'%s' is %" PRIu32 ", but the machine has %d NUMA "
                   "nodes; see -numa node,memdev=", node_prop, node, num_nodes);
        return NULL;
    }
    memdev = numa->nodes[node].node_memdev;
    if (!memdev) {
        error_setg(errp, "'%s': NUMA node %" PRIu32 " has no memory backend; "
                   "give it one with -numa node,nodeid=%" PRIu32 ",memdev=",
                   node_prop, node, node);
        return NULL;
    }
    return memdev;
}

bool virtio_tiermem_tier_attach(VirtIOTiermemTier *tier, const char *node_prop,
                                Error **errp)
{
    VirtIOTiermemSet *set = &tier->set;
    RAMBlock *rb;

    tier->memdev = tier_find_memdev(tier->node, node_prop, errp);
    if (!tier->memdev) {
        return false;
    }
    rb = tier->memdev->mr.ram_block;
    set->size = memory_region_size(&tier->memdev->mr);
    set->block_size = MAX(4 * KiB, qemu_ram_pagesize(rb));
    if (set->block_size > VIRTIO_TIERMEM_MAX_BLOCK_SIZE) {
        error_setg(errp, "'%s': the memory backend of node %" PRIu32 " has "
                   "pages of %" PRIu64 " bytes; at most %" PRIu64 " can be "
                   "surrendered by a guest", node_prop, tier->node,
                   set->block_size, (uint64_t)VIRTIO_TIERMEM_MAX_BLOCK_SIZE);
        return false;
    }
    if (set->size / set->block_size > VIRTIO_TIERMEM_MAX_BLOCKS) {
        error_setg(errp, "'%s': node %" PRIu32 " has %" PRIu64 " bytes; at "
                   "most %d pages of %" PRIu64 " bytes are supported (use a "
                   "memory backend with larger pages)", node_prop, tier->node,
                   set->size, VIRTIO_TIERMEM_MAX_BLOCKS, set->block_size);
        return false;
    }
    if (!tier_find_regions(tier, node_prop, errp)) {
        return false;
    }
    tier_read_hmat(tier);
    virtio_tiermem_set_init(set);
    object_ref(OBJECT(tier->memdev));
    return true;
}

void virtio_tiermem_tier_detach(VirtIOTiermemTier *tier)
{
    if (tier->set.bitmap) {
        virtio_tiermem_set_destroy(&tier->set);
        object_unref(OBJECT(tier->memdev));
    }
    tier->memdev = NULL;
}

bool virtio_tiermem_discard_possible(void)
{
    /* As for a balloon: these all depend on pages staying where they are. */
    return !ram_block_discard_is_disabled() &&
           !migration_in_incoming_postcopy() && !migration_in_bg_snapshot();
}

int virtio_tiermem_tier_discard(VirtIOTiermemTier *tier, uint64_t offset,
                                uint64_t size)
{
    int ret = ram_block_discard_range(tier->memdev->mr.ram_block, offset, size);

    trace_virtio_tiermem_discard(tier->node, offset, size, ret);
    return ret;
}

int virtio_tiermem_tier_discard_surrendered(VirtIOTiermemTier *tier)
{
    uint64_t offset = 0, size;
    int ret;

    for (; virtio_tiermem_set_next(&tier->set, &offset, &size);
         offset += size) {
        ret = virtio_tiermem_tier_discard(tier, offset, size);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

void virtio_tiermem_tier_skip_migration(VirtIOTiermemTier *tier)
{
    uint8_t *host = memory_region_get_ram_ptr(&tier->memdev->mr);
    uint64_t offset = 0, size;

    for (; virtio_tiermem_set_next(&tier->set, &offset, &size);
         offset += size) {
        qemu_guest_free_page_hint(host + offset, size);
    }
}

/* Adds up what the host has populated of a piece of the backend, in bytes. */
static int tier_add_populated(const VirtIOTiermemTier *tier, uint64_t start,
                              uint64_t size, uint64_t *populated)
{
    const size_t page = qemu_real_host_page_size();
    const size_t chunk = 64 * MiB;
    uint8_t *host = memory_region_get_ram_ptr(&tier->memdev->mr);
    g_autofree unsigned char *vec = g_malloc(chunk / page);
    uint64_t offset;

    for (offset = 0; offset < size; offset += chunk) {
        const size_t piece = MIN(chunk, size - offset);
        size_t i;

        if (mincore(host + start + offset, piece, vec)) {
            return -errno;
        }
        for (i = 0; i < piece / page; i++) {
            *populated += vec[i] & 1 ? page : 0;
        }
    }
    return 0;
}

int virtio_tiermem_tier_resident(const VirtIOTiermemTier *tier,
                                 uint64_t *resident)
{
    *resident = 0;
    return tier_add_populated(tier, 0, tier->set.size, resident);
}

bool virtio_tiermem_tier_trespassed(const VirtIOTiermemTier *tier)
{
    const uintptr_t host =
        (uintptr_t)memory_region_get_ram_ptr(&tier->memdev->mr);
    uint64_t offset = 0, size, populated = 0;

    for (; virtio_tiermem_set_next(&tier->set, &offset, &size);
         offset += size) {
        const uintptr_t first = ROUND_UP(host + offset, QEMU_VMALLOC_ALIGN);
        const uintptr_t end = QEMU_ALIGN_DOWN(host + offset + size,
                                              QEMU_VMALLOC_ALIGN);

        if (first < end && !tier_add_populated(tier, first - host, end - first,
                                               &populated) && populated) {
            return true;
        }
    }
    return false;
}
