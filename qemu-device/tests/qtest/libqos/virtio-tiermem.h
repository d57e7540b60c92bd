/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos: a driver for virtio-tiermem that does as it is told, right or wrong
 *
 * A machine of two tiers of 64 MiB, the slow one in two regions:
 *
 *   0        64 MiB     96 MiB            4 GiB      4 GiB + 32 MiB
 *   | fast   | slow     |     (hole)      | slow     |
 *
 * Buffers of the driver come from the lower half of the fast tier; tests
 * surrender from the upper half, or from the slow tier.
 */
#ifndef LIBQOS_VIRTIO_TIERMEM_H
#define LIBQOS_VIRTIO_TIERMEM_H

#include "../libqtest.h"
#include "libqos-pc.h"
#include "qobject/qdict.h"
#include "qemu/units.h"
#include "standard-headers/linux/virtio_tiermem.h"
#include "virtio-pci.h"

#define QTM_FAST 0
#define QTM_SLOW 1
#define QTM_TIERS 2
#define QTM_TIER_SIZE (64 * MiB)
#define QTM_BLOCK (4 * KiB)
#define QTM_FAST_ADDR (32 * MiB)        /* free for tests up to 64 MiB */
#define QTM_SLOW_ADDR (64 * MiB)
#define QTM_HOLE_ADDR (96 * MiB)
#define QTM_HIGH_ADDR (4 * GiB)
#define QTM_END_ADDR (4 * GiB + 32 * MiB)

#define QTM_ALL_FEATURES (~0ull)
#define QTM_FEATURE(name) (1ull << VIRTIO_TIERMEM_F_##name)

/* No firmware ever runs: any will do, and this one needs no file. */
#define QTM_PC(version) "-blockdev driver=null-co,node-name=firmware," \
    "size=65536,read-zeroes=on,read-only=on -machine " version \
    ",pflash0=firmware,max-ram-below-4g=96M -m 128M -nodefaults " \
    "-global apic-common.vapic=off "
#define QTM_NODES "-numa node,memdev=fast,cpus=0 -numa node,memdev=slow "
/* Everything but the options of the device. */
#define QTM_MACHINE QTM_PC("pc") \
    "-object memory-backend-ram,id=fast,size=64M " \
    "-object memory-backend-ram,id=slow,size=64M " QTM_NODES
#define QTM_DEVICE "-device virtio-tiermem,id=tm0,addr=04.0,fast-node=0," \
    "slow-node=1"

typedef struct QTiermem {
    QOSState *qs;
    QVirtioPCIDevice *pci;
    QVirtioDevice *dev;
    QVirtQueue *request_vq, *stats_vq;
    /* guest addresses: what the device reads, and what it writes */
    uint64_t request_buf, response_buf;
} QTiermem;

/* A range in host byte order. */
typedef struct QTiermemRange {
    uint64_t addr, size;
} QTiermemRange;

#define QTM_ASK_RANGES 8

/* A request in host byte order. */
typedef struct QTiermemAsk {
    uint16_t type, tier;
    uint32_t flags, num_ranges, reserved;
    QTiermemRange ranges[QTM_ASK_RANGES];
} QTiermemAsk;

/* A response in host byte order. */
typedef struct QTiermemAnswer {
    uint16_t status;
    uint32_t done;
    uint64_t actual;
} QTiermemAnswer;

/* Start a machine; the device is found, but no driver has started it. */
QTiermem *qtm_boot(const char *cmdline_fmt, ...) G_GNUC_PRINTF(1, 2);
/* Negotiate what is both in @features and offered, and set up the queues. */
void qtm_negotiate(QTiermem *t, uint64_t features);
/* Negotiate and set DRIVER_OK. */
void qtm_start(QTiermem *t, uint64_t features);
/* Boot with QTM_MACHINE and QTM_DEVICE plus @device_opts, and start. */
QTiermem *qtm_new(const char *device_opts);
void qtm_reset(QTiermem *t);
void qtm_free(QTiermem *t);

/* The configuration space, in wire order. */
void qtm_config(QTiermem *t, struct virtio_tiermem_config *config);
uint64_t qtm_actual(QTiermem *t, unsigned tier);
uint64_t qtm_requested(QTiermem *t, unsigned tier);
bool qtm_needs_reset(QTiermem *t);
/* Whether a configuration change notification has come since the last call. */
bool qtm_config_changed(QTiermem *t);

/* Write a request as it goes over the wire; returns its length in bytes. */
size_t qtm_encode(const QTiermemAsk *ask, void *bytes);
/* Wait for the used buffer; its length must be that of a response. */
void qtm_wait(QTiermem *t, uint32_t head);
/* What stands in the response buffer; it must be well-formed. */
QTiermemAnswer qtm_answer(QTiermem *t);
/*
 * Send @len bytes with room for @room bytes of response, in pieces of at most
 * @piece bytes (0: in one piece each), and wait for the answer.
 */
QTiermemAnswer qtm_send(QTiermem *t, const void *bytes, size_t len,
                        size_t room, size_t piece);
QTiermemAnswer qtm_ask(QTiermem *t, const QTiermemAsk *ask);
/* Ask for one range. */
QTiermemAnswer qtm_surrender(QTiermem *t, unsigned tier, uint64_t addr,
                             uint64_t size);
QTiermemAnswer qtm_reclaim(QTiermem *t, unsigned tier, uint64_t addr,
                           uint64_t size, uint32_t flags);

/* The device's entry of query-tiermem. */
QDict *qtm_query(QTiermem *t);
/* Bytes of the tier that the host has populated, as the device measures. */
uint64_t qtm_resident(QTiermem *t, unsigned tier);

#endif
