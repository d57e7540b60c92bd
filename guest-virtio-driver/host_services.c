// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The services of policy/host_services.h inside the kernel.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "policy/host_services.h"

void *tm_host_alloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

void *tm_host_alloc_nowait(size_t bytes)
{
	return kzalloc(bytes, GFP_NOWAIT | __GFP_NOWARN);
}

void tm_host_free(void *memory)
{
	kvfree(memory);
}
