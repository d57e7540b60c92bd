// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A TCG plugin that is a memory model: each other 2 MiB of the address space
 * is slow and far, the rest is near. For the tests of PEBS emulation only.
 */

#include <qemu-plugin.h>

#include "hw/i386/x86-memory-model.h"

#define SLOW_BIT (1UL << 21)

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static void cost_of(void *opaque, unsigned int vcpu_index, const X86MemAccess *access, X86MemCost *cost)
{
    bool slow = access->addr & SLOW_BIT;

    (void)opaque;
    (void)vcpu_index;
    cost->latency = slow ? 300 : 20;
    cost->source = slow ? X86_MEM_REMOTE_DRAM : X86_MEM_L2;
    cost->stlb_miss = false;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)id;
    (void)info;
    (void)argc;
    (void)argv;
    x86_set_memory_model(cost_of, 0);
    return 0;
}
