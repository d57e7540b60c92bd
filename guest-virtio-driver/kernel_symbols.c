// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking up kernel services that are not exported; see kernel_symbols.h.
 */
#include <linux/kprobes.h>

#include "kernel_symbols.h"

static bool have_isolate_free_page;

int tiermem_no_isolate_free_page(struct page *page, unsigned int order)
{
	return 0;
}

DEFINE_STATIC_CALL(tiermem_isolate_free_page, tiermem_no_isolate_free_page);

bool tiermem_have_isolate_free_page(void)
{
	return have_isolate_free_page;
}

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

int tiermem_symbols_init(void)
{
	unsigned long addr;
	int ret = find_lookup_name();

	if (ret)
		return ret;
	addr = static_call(tiermem_lookup_name)("__isolate_free_page");
	if (addr) {
		static_call_update(tiermem_isolate_free_page,
				   (typeof(&tiermem_no_isolate_free_page))addr);
		have_isolate_free_page = true;
	}
	return 0;
}
