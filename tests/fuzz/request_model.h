/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request_model.h - a plain model of how a tier answers requests
 *
 * Written from spec/virtio-tiermem.md and from nothing else: it knows a tier as
 * a list of blocks, each with its guest-physical address and whether it is
 * surrendered, and looks every block of a range up in that list. Slow, and
 * without a thought of how the device does it.
 */
#ifndef REQUEST_MODEL_H
#define REQUEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_MAX_BLOCKS 256

typedef struct ModelBlock {
    uint64_t addr;      /* guest-physical bytes */
    unsigned region;    /* which region it belongs to */
    bool surrendered;
} ModelBlock;

/* A tier; block i is at offset i * block_size of its memory. */
typedef struct Model {
    ModelBlock blocks[MODEL_MAX_BLOCKS];
    unsigned num_blocks;
    uint64_t block_size;    /* bytes */
} Model;

/* What one tier is asked, besides the request's bytes. */
typedef struct ModelLimits {
    uint32_t max_ranges;
    bool oom_negotiated;
    uint64_t requested;     /* bytes */
} ModelLimits;

/* Bytes left to the guest. */
uint64_t model_actual(const Model *model);

/*
 * model_blocks() - the blocks that range @i of a request names
 *
 * @request: bytes as the guest sent them, @i within them. Returns false if the
 * range is none of the tier (empty, unaligned, wrapping, not in one region).
 */
bool model_blocks(const Model *model, const uint8_t *request, uint32_t i,
                  unsigned *first, unsigned *count);

/*
 * model_answer() - the status of a request to this tier, which is changed if the
 * request is carried out
 *
 * @bytes, @len: the device-readable part as the guest sent it; any content.
 * Returns VIRTIO_TIERMEM_S_* (never S_INVALID_TIER, S_BUSY or S_ERROR: tiers
 * and the host are not part of the model).
 */
uint16_t model_answer(Model *model, const ModelLimits *limits,
                      const uint8_t *bytes, size_t len);

/* Put the ranges from @first on back to the state before the request. */
void model_undo(Model *model, const uint8_t *request, uint32_t first);

/* Fields of a request's bytes. */
uint16_t model_type(const uint8_t *request);
uint32_t model_num_ranges(const uint8_t *request);
uint32_t model_flags(const uint8_t *request);

#endif
