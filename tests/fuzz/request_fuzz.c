/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request_fuzz.c - requests of a hostile guest against a plain model
 *
 * The input is a tier (block size, regions, where they lie) and a series of
 * requests: some are bytes as they come, some are built from fields so that they
 * get past the first checks. The device's functions and the model must agree on
 * each status, on which blocks are surrendered afterwards, and on which bytes of
 * the tier's memory may be discarded.
 *
 * Covers TM-DEV-REQ-1 to TM-DEV-REQ-14 but for TM-DEV-REQ-9 (the tier's number
 * is the device's business, see virtio-tiermem-test.c).
 */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "hw/virtio/virtio-tiermem-request.h"
#include "request_model.h"

enum { MAX_RANGES = 8, MAX_REQUEST = 16 + 16 * (MAX_RANGES + 1) };

typedef struct Input {
    const uint8_t *data;
    size_t left;
} Input;

/* The next byte; 0 when there is none. */
static uint8_t take(Input *in)
{
    if (!in->left) {
        return 0;
    }
    in->left--;
    return *in->data++;
}

static uint64_t take_long(Input *in)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++) {
        value = value << 8 | take(in);
    }
    return value;
}

/* Describe the same tier to both: 1 to 4 regions of 1 to 64 blocks. */
static void make_tier(Input *in, VirtIOTiermemSet *set, Model *model)
{
    const unsigned shift = 12 + take(in) % 11;
    uint64_t addr = (take(in) & 1 ? ~0ULL - (1ULL << (shift + 10)) : 0) >>
                    shift << shift;

    set->block_size = model->block_size = 1ULL << shift;
    set->num_regions = 1 + take(in) % VIRTIO_TIERMEM_MAX_REGIONS;
    for (unsigned r = 0; r < set->num_regions; r++) {
        const unsigned blocks = 1 + take(in) % 64;

        addr += (uint64_t)(take(in) % 4) << shift; /* 0: regions that touch */
        set->regions[r] = (VirtIOTiermemRegion) {
            .addr = addr,
            .size = (uint64_t)blocks << shift,
            .offset = set->size,
        };
        for (unsigned i = 0; i < blocks; i++, addr += model->block_size) {
            model->blocks[model->num_blocks++] =
                (ModelBlock) { .addr = addr, .region = r };
        }
        set->size += (uint64_t)blocks << shift;
    }
}

/* A range near one that is right: of some blocks of the tier, then bent. */
static void put_range(Input *in, const Model *model, uint8_t *out)
{
    uint64_t addr = model->blocks[take(in) % model->num_blocks].addr;
    uint64_t size = (take(in) % 8) * model->block_size;
    const uint8_t bend = take(in);

    switch (bend % 16) {
    case 1:
        addr += take_long(in);
        break;
    case 2:
        size += take_long(in);
        break;
    case 3:
        size = -addr;
        break;
    case 4:
        size = (take(in) + 1) * model->block_size;
        break;
    case 5:
        addr += model->block_size >> 1;
        break;
    }
    addr = htole64(addr);
    size = htole64(size);
    memcpy(out, &addr, 8);
    memcpy(out + 8, &size, 8);
}

/* Fill @out with a request built from fields; returns its length. */
static size_t make_request(Input *in, const Model *model, uint8_t *out)
{
    const uint8_t bend = take(in);
    const uint32_t ranges = take(in) % (MAX_RANGES + 2);
    size_t len = 16 + 16 * ranges;

    memset(out, 0, 16);
    out[0] = 1 + (bend & 1);
    out[4] = take(in) % 4 == 0; /* OOM */
    out[8] = ranges;
    for (uint32_t i = 0; i < ranges; i++) {
        put_range(in, model, out + 16 + 16 * i);
    }
    switch ((bend >> 1) % 8) {
    case 1:
        out[take(in) % 16] ^= take(in);
        break;
    case 2:
        len -= take(in) % (len + 1);
        break;
    case 3:
        out[8] = take(in) % (ranges + 1); /* more bytes than ranges */
        break;
    }
    return len;
}

static size_t raw_request(Input *in, uint8_t *out)
{
    const size_t len = take(in) % (MAX_REQUEST + 1);

    for (size_t i = 0; i < len; i++) {
        out[i] = take(in);
    }
    return len;
}

/* The device's answer, put together as virtio-tiermem.c does it. */
static uint16_t device_answer(VirtIOTiermemSet *set, const ModelLimits *limits,
                              const void *bytes, size_t len,
                              VirtIOTiermemRequest *req)
{
    const uint16_t status = virtio_tiermem_request_parse(bytes, len,
        limits->max_ranges, limits->oom_negotiated, req);

    if (status != VIRTIO_TIERMEM_S_OK) {
        return status;
    }
    return virtio_tiermem_set_claim(set, req,
                                    req->flags & VIRTIO_TIERMEM_REQ_F_OOM ?
                                    UINT64_MAX : limits->requested);
}

/* Both know the same blocks as surrendered, one by one, as runs and as a sum. */
static void check_same(const VirtIOTiermemSet *set, const Model *model)
{
    uint64_t offset = 0, size, sum = 0;

    for (unsigned i = 0; i < model->num_blocks; i++) {
        assert(test_bit(i, set->bitmap) == model->blocks[i].surrendered);
    }
    for (; virtio_tiermem_set_next(set, &offset, &size); offset += size) {
        for (uint64_t at = offset; at < offset + size; at += set->block_size) {
            assert(model->blocks[at / set->block_size].surrendered);
        }
        sum += size;
    }
    assert(sum == set->surrendered);
    assert(virtio_tiermem_set_actual(set) == model_actual(model));
}

/* What the device would discard for an accepted request is what was named. */
static void check_discarded(const VirtIOTiermemSet *set, const Model *model,
                            const VirtIOTiermemRequest *req,
                            const uint8_t *bytes)
{
    uint64_t offset, size;
    unsigned first, count;

    assert(req->num_ranges == model_num_ranges(bytes));
    for (uint32_t i = 0; i < req->num_ranges; i++) {
        assert(virtio_tiermem_set_locate(set, &req->ranges[i], &offset, &size));
        assert(model_blocks(model, bytes, i, &first, &count));
        assert(offset == first * model->block_size);
        assert(size == count * model->block_size);
    }
}

static void one_request(Input *in, VirtIOTiermemSet *set, Model *model,
                        const ModelLimits *limits)
{
    uint8_t draft[MAX_REQUEST];
    const uint8_t kind = take(in);
    const size_t len = kind % 8 ? make_request(in, model, draft)
                                : raw_request(in, draft);
    /* Exactly as long as the request, so that a read past it is seen. */
    uint8_t *bytes = malloc(len ? len : 1);
    VirtIOTiermemRequest req = { };
    uint16_t status;
    uint32_t first;

    memcpy(bytes, draft, len);
    status = device_answer(set, limits, bytes, len, &req);
    assert(status == model_answer(model, limits, bytes, len));
    if (status == VIRTIO_TIERMEM_S_OK) {
        check_discarded(set, model, &req, bytes);
        if (kind & 0x80) {
            /* The host fails part-way (TM-DEV-SUR-6), or is busy. */
            first = take(in) % (req.num_ranges + 1);
            virtio_tiermem_set_unclaim(set, &req, first);
            model_undo(model, bytes, first);
        }
    }
    check_same(set, model);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Input in = { data, len };
    VirtIOTiermemSet set = { };
    Model model = { };
    ModelLimits limits = { .max_ranges = MAX_RANGES };

    make_tier(&in, &set, &model);
    virtio_tiermem_set_init(&set);
    limits.oom_negotiated = take(&in) & 1;
    while (in.left) {
        /* About the actual size, where it matters whether a quota allows it. */
        limits.requested = model_actual(&model) +
                           (take(&in) % 8) * model.block_size;
        one_request(&in, &set, &model, &limits);
    }
    virtio_tiermem_set_recount(&set);
    check_same(&set, &model);
    virtio_tiermem_set_clear(&set);
    assert(virtio_tiermem_set_actual(&set) == set.size);
    virtio_tiermem_set_destroy(&set);
    return 0;
}
