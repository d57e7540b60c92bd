/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of QEMU's qemu/bitmap.h that virtio-tiermem-request.c uses. Each
 * bit takes a byte, so that the address sanitizer sees a bit past the end; that
 * bits change only from the opposite state is checked, which QEMU's own do not.
 */
#ifndef REQUEST_HOST_BITMAP_H
#define REQUEST_HOST_BITMAP_H

#include "qemu/osdep.h"

static inline unsigned long *bitmap_new(long bits)
{
    unsigned long *map = calloc(bits, 1);

    assert(map);
    return map;
}

static inline bool test_bit(long bit, const unsigned long *map)
{
    return ((const unsigned char *)map)[bit];
}

static inline void bitmap_fill(unsigned long *map, long start, long nr,
                               bool value)
{
    for (long bit = start; bit < start + nr; bit++) {
        assert(test_bit(bit, map) != value);
        ((unsigned char *)map)[bit] = value;
    }
}

static inline void bitmap_set(unsigned long *map, long start, long nr)
{
    bitmap_fill(map, start, nr, true);
}

static inline void bitmap_clear(unsigned long *map, long start, long nr)
{
    bitmap_fill(map, start, nr, false);
}

static inline void bitmap_zero(unsigned long *map, long bits)
{
    memset(map, 0, bits);
}

static inline long bitmap_count_one(const unsigned long *map, long bits)
{
    long count = 0;

    for (long bit = 0; bit < bits; bit++) {
        count += test_bit(bit, map);
    }
    return count;
}

static inline unsigned long bitmap_find(const unsigned long *map,
                                        unsigned long size,
                                        unsigned long from, bool value)
{
    while (from < size && test_bit(from, map) != value) {
        from++;
    }
    return from < size ? from : size;
}

static inline unsigned long find_next_bit(const unsigned long *map,
                                          unsigned long size,
                                          unsigned long from)
{
    return bitmap_find(map, size, from, true);
}

static inline unsigned long find_next_zero_bit(const unsigned long *map,
                                               unsigned long size,
                                               unsigned long from)
{
    return bitmap_find(map, size, from, false);
}

#endif
