/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "request_model.h"

#include "virtio_tiermem.h"

enum { HEADER_BYTES = 16, RANGE_BYTES = 16 };

static uint64_t little_endian(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;

    while (count--) {
        value = value << 8 | bytes[count];
    }
    return value;
}

uint16_t model_type(const uint8_t *request)
{
    return little_endian(request, 2);
}

uint32_t model_flags(const uint8_t *request)
{
    return little_endian(request + 4, 4);
}

uint32_t model_num_ranges(const uint8_t *request)
{
    return little_endian(request + 8, 4);
}

uint64_t model_actual(const Model *model)
{
    uint64_t actual = 0;

    for (unsigned i = 0; i < model->num_blocks; i++) {
        actual += model->blocks[i].surrendered ? 0 : model->block_size;
    }
    return actual;
}

/* TM-DEV-REQ-4 to TM-DEV-REQ-8, TM-DEV-OOM-1, TM-DEV-OOM-2 */
static bool is_request(const ModelLimits *limits, const uint8_t *bytes,
                       size_t len)
{
    uint64_t ranges;

    if (len < HEADER_BYTES) {
        return false;
    }
    ranges = model_num_ranges(bytes);
    if (len != HEADER_BYTES + RANGE_BYTES * ranges || ranges < 1 ||
        ranges > limits->max_ranges || little_endian(bytes + 12, 4) != 0) {
        return false;
    }
    switch (model_type(bytes)) {
    case VIRTIO_TIERMEM_REQ_SURRENDER:
        return model_flags(bytes) == 0;
    case VIRTIO_TIERMEM_REQ_RECLAIM:
        return model_flags(bytes) == 0 ||
               (model_flags(bytes) == VIRTIO_TIERMEM_REQ_F_OOM &&
                limits->oom_negotiated);
    default:
        return false;
    }
}

/* The block at an address, or -1. */
static int block_at(const Model *model, unsigned __int128 addr)
{
    for (unsigned i = 0; i < model->num_blocks; i++) {
        if (model->blocks[i].addr == addr) {
            return i;
        }
    }
    return -1;
}

/* TM-DEV-REQ-10 to TM-DEV-REQ-13: each block of the range is the tier's. */
bool model_blocks(const Model *model, const uint8_t *request, uint32_t i,
                  unsigned *first, unsigned *count)
{
    const uint8_t *range = request + HEADER_BYTES + (size_t)RANGE_BYTES * i;
    const uint64_t addr = little_endian(range, 8);
    const uint64_t size = little_endian(range + 8, 8);
    int block;

    if (size == 0 || size % model->block_size || block_at(model, addr) < 0 ||
        size / model->block_size > model->num_blocks) {
        return false;
    }
    *first = block_at(model, addr);
    *count = size / model->block_size;
    for (unsigned n = 0; n < *count; n++) {
        block = block_at(model,
                         (unsigned __int128)addr + n * model->block_size);
        if (block < 0 ||
            model->blocks[block].region != model->blocks[*first].region) {
            return false;
        }
    }
    return true;
}

/* TM-DEV-REQ-14, TM-DEV-SUR-2, TM-DEV-REC-2: false if the request conflicts. */
static bool flip(Model *model, const uint8_t *request)
{
    const bool now = model_type(request) == VIRTIO_TIERMEM_REQ_SURRENDER;
    unsigned first, count;

    for (uint32_t i = 0; i < model_num_ranges(request); i++) {
        model_blocks(model, request, i, &first, &count);
        for (unsigned block = first; block < first + count; block++) {
            if (model->blocks[block].surrendered == now) {
                return false;
            }
            model->blocks[block].surrendered = now;
        }
    }
    return true;
}

/* TM-DEV-REQ-1: the order of the checks is that of the statuses. */
uint16_t model_answer(Model *model, const ModelLimits *limits,
                      const uint8_t *bytes, size_t len)
{
    Model after = *model;
    unsigned first, count;

    if (!is_request(limits, bytes, len)) {
        return VIRTIO_TIERMEM_S_INVALID_REQUEST;
    }
    for (uint32_t i = 0; i < model_num_ranges(bytes); i++) {
        if (!model_blocks(model, bytes, i, &first, &count)) {
            return VIRTIO_TIERMEM_S_INVALID_RANGE;
        }
    }
    if (!flip(&after, bytes)) {
        return VIRTIO_TIERMEM_S_CONFLICT;
    }
    /* TM-DEV-REC-3, TM-DEV-OOM-3 */
    if (model_type(bytes) == VIRTIO_TIERMEM_REQ_RECLAIM &&
        !(model_flags(bytes) & VIRTIO_TIERMEM_REQ_F_OOM) &&
        model_actual(&after) > limits->requested) {
        return VIRTIO_TIERMEM_S_QUOTA;
    }
    *model = after;
    return VIRTIO_TIERMEM_S_OK;
}

void model_undo(Model *model, const uint8_t *request, uint32_t first_range)
{
    const bool now = model_type(request) == VIRTIO_TIERMEM_REQ_SURRENDER;
    unsigned first, count;

    for (uint32_t i = first_range; i < model_num_ranges(request); i++) {
        model_blocks(model, request, i, &first, &count);
        for (unsigned block = first; block < first + count; block++) {
            model->blocks[block].surrendered = !now;
        }
    }
}
