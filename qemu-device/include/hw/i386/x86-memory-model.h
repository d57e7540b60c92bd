/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory model of emulated x86 performance counters
 *
 * Under TCG, memory accesses take no particular time.  A memory model tells
 * the performance counters (CPU property "x-tcg-pebs") how long an access
 * would have taken and where its data would have been.  It can be part of
 * QEMU or a TCG plugin; this header needs nothing else of QEMU.  C++ includes
 * it as extern "C".
 *
 * Without a model every access has X86_MEM_DEFAULT_LATENCY and comes from
 * X86_MEM_LOCAL_DRAM.
 */

#ifndef HW_I386_X86_MEMORY_MODEL_H
#define HW_I386_X86_MEMORY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define X86_MEM_DEFAULT_LATENCY 200 /* cycles; a plausible DRAM access */

typedef enum X86MemSource {
    X86_MEM_UNKNOWN,
    X86_MEM_L1,
    X86_MEM_FILL_BUFFER,
    X86_MEM_L2,
    X86_MEM_L3,
    X86_MEM_LOCAL_DRAM,
    X86_MEM_REMOTE_DRAM,        /* of another node, also one without CPUs */
} X86MemSource;

typedef struct X86MemAccess {
    uint64_t addr;              /* linear address */
    uint32_t size;              /* bytes; may be the first of several parts */
    bool store;
    bool locked;                /* part of a LOCK operation */
    bool user;                  /* made at CPL > 0 */
} X86MemAccess;

typedef struct X86MemCost {
    uint32_t latency;           /* cycles; records saturate at 65535 */
    X86MemSource source;
    bool stlb_miss;
} X86MemCost;

/*
 * Called on the thread of vCPU @vcpu_index when the instruction that made
 * @access is complete, after the memory callbacks of plugins and without the
 * BQL.  @cost holds the default.  Called for each access that matters to an
 * enabled counter which filters by cost (load latency, data source), and else
 * only for the accesses that get a record.  Must not change guest state.
 */
typedef void X86MemoryModelFn(void *opaque, unsigned int vcpu_index,
                              const X86MemAccess *access, X86MemCost *cost);

/*
 * Set the memory model of all vCPUs; NULL takes it away.  Takes effect on
 * each vCPU before its next translation block.  Needs the BQL, which is held
 * while a plugin is installed.
 */
void x86_set_memory_model(X86MemoryModelFn *fn, void *opaque);

#endif /* HW_I386_X86_MEMORY_MODEL_H */
