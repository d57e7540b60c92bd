/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a plugin needs to meter memory and to let time pass for it
 *
 * The plugin API hides what QEMU is made of, and is for any machine.  These
 * few services are for plugins that model a machine's memory: where each
 * NUMA node's RAM is, which RAM an access reached, how long it shall take.
 * They need nothing else of QEMU; C++ includes this header as extern "C".
 */

#ifndef QEMU_PLUGIN_METER_H
#define QEMU_PLUGIN_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A piece of guest-physical memory that is RAM of one NUMA node.
 */
typedef struct QemuMeterRange {
    uint64_t address;
    uint64_t size;              /* bytes */
    uint32_t node;
    int32_t tier;               /* of the virtio-tiermem device; -1: none */
    uint32_t latency;           /* ns, as the HMAT says; 0: unknown */
} QemuMeterRange;

/*
 * Write at most @max ranges, in the order of their addresses.  A machine
 * without NUMA nodes has one, 0.  Returns how many there are, also if that
 * is more.  To be called when the machine is complete: from a callback of a
 * vCPU that runs.
 */
size_t qemu_meter_ranges(QemuMeterRange *ranges, size_t max);

/* qemu_meter_ram_address() of what is no RAM */
#define QEMU_METER_NO_RAM UINT64_MAX

/*
 * The guest-physical address of what the current vCPU has just accessed, or
 * QEMU_METER_NO_RAM.  @info and @vaddr are those of a memory callback, to be
 * called from there only; @vaddr may be another one that the same access has
 * touched.
 */
uint64_t qemu_meter_ram_address(uint32_t info, uint64_t vaddr);

/*
 * Nanoseconds of an instruction with "-icount shift=N,sleep=off"; 0 when the
 * machine's time is not made of instructions, or also of the host's time.
 */
uint32_t qemu_meter_instruction_ns(void);

/*
 * Let as much time pass as @instructions take, on the current vCPU, which
 * executes one, so that timers come due as if it had executed them.  Returns
 * the virtual time after that, in ns; it includes what is left of the
 * translation block.  To be called from a memory callback, and only if
 * qemu_meter_instruction_ns() is not 0.
 */
int64_t qemu_meter_pass_time(uint64_t instructions);

/*
 * Give the software TLB of all vCPUs 2^@bits entries for each MMU mode, for
 * good.  Else its size follows the guest's use and the host's clock, and with
 * it how often the page tables' access bits are set.  Only while the plugin is
 * installed.  False when @bits is out of range.
 */
bool qemu_meter_fix_tlb(unsigned int bits);

#endif /* QEMU_PLUGIN_METER_H */
