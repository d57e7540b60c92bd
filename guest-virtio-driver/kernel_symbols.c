// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking up kernel services that are not exported; see kernel_symbols.h.
 */
#include <linux/kprobes.h>

#include "kernel_symbols.h"

static unsigned long no_lookup_name(const char *name)
{
	return 0;
}

/* A static call too: an indirect one could land on a sealed ENDBR. */
DEFINE_STATIC_CALL(tiermem_lookup_name, no_lookup_name);

/* kallsyms_lookup_name() is itself not exported; a kprobe tells its address. */
static int find_lookup_name(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	int ret = register_kprobe(&kp);

	if (ret)
		return ret;
	static_call_update(tiermem_lookup_name,
			   (typeof(&no_lookup_name))kp.addr);
	unregister_kprobe(&kp);
	return 0;
}

/* The static call, the predicate and the lookup of one service. */
#define DEFINE_SYMBOL(name, kernel_name)				\
	DEFINE_STATIC_CALL(tiermem_##name, tiermem_no_##name);		\
	static bool have_##name;					\
	bool tiermem_have_##name(void)					\
	{								\
		return have_##name;					\
	}								\
	static void find_##name(void)					\
	{								\
		unsigned long addr =					\
			static_call(tiermem_lookup_name)(kernel_name);	\
									\
		if (!addr)						\
			return;						\
		static_call_update(tiermem_##name,			\
				   (typeof(&tiermem_no_##name))addr);	\
		have_##name = true;					\
	}

int tiermem_no_isolate_free_page(struct page *page, unsigned int order)
{
	return 0;
}
DEFINE_SYMBOL(isolate_free_page, "__isolate_free_page")

void tiermem_no_flush_tlb_mm_range(struct mm_struct *mm, unsigned long start,
				   unsigned long end, unsigned int stride_shift,
				   bool freed_tables)
{
}
DEFINE_SYMBOL(flush_tlb_mm_range, "flush_tlb_mm_range")

int tiermem_symbols_init(void)
{
	int ret = find_lookup_name();

	if (ret)
		return ret;
	find_isolate_free_page();
	find_flush_tlb_mm_range();
	return 0;
}
