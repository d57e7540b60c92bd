/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a C compiler makes of the wire format, for the C++ test to compare. */
#ifndef WIRE_C_H
#define WIRE_C_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes of the wire structures in bytes, in the order of virtio_tiermem.h. */
extern const size_t wire_c_sizes[];
extern const size_t wire_c_count;

#ifdef __cplusplus
}
#endif

#endif /* WIRE_C_H */
