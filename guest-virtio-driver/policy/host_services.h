/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_services.h - everything the freestanding C++ core needs from whoever
 * links it: the kernel module, the simulator, the unit tests, the fuzzers.
 *
 * At most ten functions; tests/lint compares `nm -u` of the merged core object
 * with this list. Besides these the compiler may call memcpy, memmove, memset
 * and memcmp, which every host has. No kernel header is included by the core,
 * and time is always an argument.
 */
#ifndef TIERMEM_HOST_SERVICES_H
#define TIERMEM_HOST_SERVICES_H

#ifdef __cplusplus
#include <cstddef>
extern "C" {
#else
#include <linux/types.h>
#endif

/*
 * tm_host_alloc() - @bytes of zeroed memory, aligned for any scalar type, or
 * NULL. The caller owns it. May sleep in the kernel: never called with a lock
 * held that reclaim could need (the callers of the core see to that).
 */
void *tm_host_alloc(size_t bytes);

/*
 * tm_host_alloc_nowait() - the same, but never sleeps and never starts reclaim:
 * for callers that hold a lock which the out-of-memory path takes. Fails more
 * readily; meant for a few KiB at a time.
 */
void *tm_host_alloc_nowait(size_t bytes);

/* tm_host_free() - give back what tm_host_alloc() returned; NULL is ignored. */
void tm_host_free(void *memory);

#ifdef __cplusplus
}
#endif

#endif /* TIERMEM_HOST_SERVICES_H */
