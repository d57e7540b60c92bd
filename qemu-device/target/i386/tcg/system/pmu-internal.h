/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 performance counters under TCG: what their parts share
 */

#ifndef I386_TCG_PMU_INTERNAL_H
#define I386_TCG_PMU_INTERNAL_H

#include "cpu.h"

#define PMU_COUNTER_WIDTH           48
#define PMU_COUNTER_MASK            MAKE_64BIT_MASK(0, PMU_COUNTER_WIDTH)

#define PMU_STATUS_BUFFER_OVERFLOW  (1ULL << 62)

#define EVTSEL_CODE(sel)            ((sel) & 0xffff)
#define EVTSEL_USR                  (1ULL << 16)
#define EVTSEL_OS                   (1ULL << 17)
#define EVTSEL_INT                  (1ULL << 20)
#define EVTSEL_EN                   (1ULL << 22)

/* IA32_FIXED_CTR_CTRL: four bits a counter */
#define FIXED_RINGS                 3 /* bit 0: OS, bit 1: USR */
#define FIXED_PMI                   8

/* Load latency (MEM_TRANS_RETIRED.LOAD_LATENCY) */
#define EVENT_LOAD_LATENCY          0x01cd

/* One event that is being counted, and the access that it comes from */
typedef struct PMUEvent {
    X86PMUClass class;
    unsigned ring;
    X86MemAccess access;        /* all zero for X86_PMU_INSNS */
    X86MemCost cost;
    bool cost_known;
    target_ulong ip;            /* of the instruction */
    target_ulong next_ip;       /* of the one that follows in memory */
} PMUEvent;

/* Which bit stands for counter @c in IA32_PERF_GLOBAL_* and PEBS_ENABLE. */
static inline uint64_t pmu_counter_bit(int c)
{
    return 1ULL << (c < X86_PMU_MAX_GP ? c : 32 + c - X86_PMU_MAX_GP);
}

static inline int pmu_gp_counters(CPUX86State *env)
{
    return env_archcpu(env)->tcg_pebs >= 4 ? 8 : 4;
}

/* All bits that stand for a counter of this CPU. */
static inline uint64_t pmu_all_counters(CPUX86State *env)
{
    return MAKE_64BIT_MASK(0, pmu_gp_counters(env)) |
           MAKE_64BIT_MASK(32, X86_PMU_FIXED);
}

static inline uint64_t *pmu_counter(CPUX86State *env, int c)
{
    return c < X86_PMU_MAX_GP ? &env->msr_gp_counters[c]
                              : &env->msr_fixed_counters[c - X86_PMU_MAX_GP];
}

/* Fill in the cost of the access of @ev, once. */
void pmu_event_cost(CPUX86State *env, PMUEvent *ev);

/*
 * Write the record of @ev for the counters in @status and reload them.
 * Returns true when the threshold of the buffer is reached.
 */
bool pebs_record(CPUX86State *env, PMUEvent *ev, uint64_t status);

#endif /* I386_TCG_PMU_INTERNAL_H */
