/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Performance counters with PEBS for x86 under TCG
 *
 * State and entry points of the emulation that the CPU property
 * "x-tcg-pebs" turns on; see docs/system/i386/tcg-pebs.rst.
 *
 * Architecture: Intel SDM volume 3B, "Performance Monitoring" (chapters on
 * architectural performance monitoring versions 4 and 5, PEBS and the debug
 * store area); MSR numbers: SDM volume 4.
 *
 * Threads: all state belongs to the vCPU and is touched by its own thread
 * only, or by any thread while the vCPU is stopped.
 */

#ifndef I386_PEBS_H
#define I386_PEBS_H

#include "hw/i386/x86-memory-model.h"

typedef struct CPUArchState CPUX86State;

/* The kinds of events that translated code can count. */
typedef enum X86PMUClass {
    X86_PMU_LOADS,              /* instructions that read memory */
    X86_PMU_STORES,             /* instructions that write memory */
    X86_PMU_INSNS,              /* instructions */
    X86_PMU_CLASSES,
} X86PMUClass;

/* Counting depends on the privilege level: ring 0 (OS) or above (USR). */
enum {
    X86_PMU_OS,
    X86_PMU_USR,
    X86_PMU_RINGS,
};

/* TB flags, next to the HF_xxx ones: the code counts events of this class. */
#define X86_PMU_TB_FLAG(class)  (1U << (29 + (class)))
#define X86_PMU_TB_FLAGS        (7U << 29)

#define X86_PMU_MAX_GP          8
#define X86_PMU_FIXED           3
#define X86_PMU_COUNTERS        (X86_PMU_MAX_GP + X86_PMU_FIXED)

/* Counters that have no field of their own in CPUX86State follow here. */
typedef struct X86PMUState {
    /* What the guest has written (migrated). */
    uint64_t pebs_enable;
    uint64_t pebs_data_cfg;
    uint64_t pebs_ld_lat;       /* threshold of load latency, in cycles */
    uint64_t pebs_frontend;
    uint64_t ds_area;           /* linear address */
    uint64_t offcore_rsp[2];
    uint64_t last_tsc;          /* time stamp of the last record */
    bool pmi_pending;           /* came while LVTPC was masked */

    /*
     * Derived from the MSRs by x86_pmu_update().  Translated code decrements
     * @countdown and calls the helper when it gets negative; the difference
     * to @armed has not been added to the counters yet.
     */
    int32_t countdown[X86_PMU_RINGS][X86_PMU_CLASSES];
    int32_t armed[X86_PMU_RINGS][X86_PMU_CLASSES];
    uint16_t counters[X86_PMU_RINGS][X86_PMU_CLASSES]; /* bit mask */
    uint16_t filtered;          /* counters that count some events only */
    uint32_t tb_flags[X86_PMU_RINGS];
} X86PMUState;

/* Check the property and prepare @cpu; errors name the property. */
bool x86_pmu_realize(X86CPU *cpu, Error **errp);

/* Set the reset values that are not zero. */
void x86_pmu_reset(CPUX86State *env);

/* Add what translated code has counted to the counters. */
void x86_pmu_sync(CPUX86State *env);

/* After migration: check what came and derive the rest; false if invalid. */
bool x86_pmu_post_load(CPUX86State *env);

/* Recompute all derived state after the MSRs have changed. */
void x86_pmu_update(CPUX86State *env);

/* Add what the CPU can do to the answer of CPUID @leaf. */
void x86_pmu_cpuid(CPUX86State *env, uint32_t leaf, uint32_t *eax,
                   uint32_t *ebx, uint32_t *ecx, uint32_t *edx);

typedef enum X86PMUAccess {
    X86_PMU_NOT_MINE,           /* not a register of the PMU */
    X86_PMU_DONE,
    X86_PMU_FAULT,              /* #GP: nothing was changed */
} X86PMUAccess;

X86PMUAccess x86_pmu_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val);
X86PMUAccess x86_pmu_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val);
X86PMUAccess x86_pmu_rdpmc(CPUX86State *env, uint32_t index, uint64_t *val);

/* The guest has unmasked LVTPC: deliver what came before.  Needs the BQL. */
void x86_pmu_lvtpc_unmasked(X86CPU *cpu);

#endif /* I386_PEBS_H */
