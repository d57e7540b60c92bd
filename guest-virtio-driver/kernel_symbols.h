/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_symbols.h - kernel services that are not exported
 *
 * Looked up once when the module is loaded, and called through static calls:
 * direct calls, so they are safe with IBT and cost nothing. A service that a
 * kernel does not have is reported as absent; every user has a way without it.
 *
 * For each service NAME there are a static call tiermem_NAME and a predicate
 * tiermem_have_NAME(). An absent service does nothing and returns 0.
 */
#ifndef TIERMEM_KERNEL_SYMBOLS_H
#define TIERMEM_KERNEL_SYMBOLS_H

#include <linux/mm.h>
#include <linux/static_call.h>

#define TIERMEM_DECLARE_SYMBOL(name, result, ...)		\
	result tiermem_no_##name(__VA_ARGS__);			\
	DECLARE_STATIC_CALL(tiermem_##name, tiermem_no_##name);	\
	bool tiermem_have_##name(void)

/*
 * __isolate_free_page() of mm/page_alloc.c: takes a free block off its list.
 * Caller holds zone->lock. Pages taken, or 0 at the low watermark.
 */
TIERMEM_DECLARE_SYMBOL(isolate_free_page, int, struct page *page,
		       unsigned int order);

/* flush_tlb_mm_range() of arch/x86/mm/tlb.c. May not be called with IRQs off. */
TIERMEM_DECLARE_SYMBOL(flush_tlb_mm_range, void, struct mm_struct *mm,
		       unsigned long start, unsigned long end,
		       unsigned int stride_shift, bool freed_tables);

/* Look everything up. 0, or a negative errno if nothing can be looked up. */
int tiermem_symbols_init(void);

#endif /* TIERMEM_KERNEL_SYMBOLS_H */
