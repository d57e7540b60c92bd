/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_symbols.h - kernel services that are not exported
 *
 * Looked up once when the module is loaded, and called through static calls:
 * direct calls, so they are safe with IBT and cost nothing. A service that a
 * kernel does not have is reported as absent; every user has a way without it.
 */
#ifndef TIERMEM_KERNEL_SYMBOLS_H
#define TIERMEM_KERNEL_SYMBOLS_H

#include <linux/mm.h>
#include <linux/static_call.h>

/*
 * __isolate_free_page() of mm/page_alloc.c: takes a free block off its list.
 * Caller holds zone->lock. Pages taken, or 0 at the low watermark.
 */
int tiermem_no_isolate_free_page(struct page *page, unsigned int order);
DECLARE_STATIC_CALL(tiermem_isolate_free_page, tiermem_no_isolate_free_page);

/* Look everything up. 0, or a negative errno if nothing can be looked up. */
int tiermem_symbols_init(void);

bool tiermem_have_isolate_free_page(void);

#endif /* TIERMEM_KERNEL_SYMBOLS_H */
