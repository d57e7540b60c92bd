/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virtio-tiermem-request.c needs of QEMU's qemu/osdep.h, so that the fuzzer
 * builds without a QEMU tree.
 */
#ifndef REQUEST_HOST_OSDEP_H
#define REQUEST_HOST_OSDEP_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define QEMU_IS_ALIGNED(n, m) (((n) % (m)) == 0)

static inline void g_free(void *memory)
{
    free(memory);
}

#endif
