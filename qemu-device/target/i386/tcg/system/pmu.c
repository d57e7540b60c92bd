/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 performance counters under TCG: counting, overflow, interrupt
 *
 * Translated code does not touch the counters.  For each class of events and
 * each side of the privilege boundary it decrements a countdown, which is
 * armed so that it gets negative no later than the first counter overflows.
 *
 * A counter can be fed by several countdowns (a class on both sides, or loads
 * and stores).  With N of them and R events left, each one is armed to let
 * (R - 1) / N events pass: then even if all of them pass, the next event is
 * no later than the R-th.  This closes in on the overflow in logarithmically
 * many steps and always hits it exactly.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "tcg/pmu-gen.h"
#include "pmu-internal.h"

#define LOADS   (1 << X86_PMU_LOADS)
#define STORES  (1 << X86_PMU_STORES)
#define INSNS   (1 << X86_PMU_INSNS)

#define L1      (1 << X86_MEM_L1)
#define LFB     (1 << X86_MEM_FILL_BUFFER)
#define L2      (1 << X86_MEM_L2)
#define L3      (1 << X86_MEM_L3)
#define LOCAL   (1 << X86_MEM_LOCAL_DRAM)
#define REMOTE  (1 << X86_MEM_REMOTE_DRAM)

typedef struct PMUEventInfo {
    uint16_t code;              /* umask << 8 | event */
    uint8_t classes;            /* counts events of any of these */
    uint8_t sources;            /* 0, or only accesses served from these */
    bool latency;               /* only accesses above the threshold */
    bool locked;                /* only LOCK operations */
    bool stlb_miss;             /* only accesses that missed the STLB */
} PMUEventInfo;

/*
 * Event codes: Intel SDM (architectural events) and the public event lists
 * of Skylake-SP, Ice Lake-SP and Sapphire Rapids.  One cycle an instruction.
 */
static const PMUEventInfo events[] = {
    { 0x003c, INSNS },                          /* CPU_CLK_UNHALTED.THREAD */
    { 0x013c, INSNS },                          /* ....REF_XCLK */
    { 0x00c0, INSNS },                          /* INST_RETIRED.ANY */
    { 0x01c0, INSNS },                          /* ....PREC_DIST */
    { EVENT_LOAD_LATENCY, LOADS, .latency = true },
    { 0x02cd, STORES },                         /* ....STORE_SAMPLE */
    { 0x11d0, LOADS, .stlb_miss = true },       /* MEM_INST_RETIRED.... */
    { 0x12d0, STORES, .stlb_miss = true },
    { 0x21d0, LOADS, .locked = true },
    { 0x81d0, LOADS },
    { 0x82d0, STORES },
    { 0x83d0, LOADS | STORES },
    { 0x01d1, LOADS, L1 },                      /* MEM_LOAD_RETIRED.... */
    { 0x02d1, LOADS, L2 },
    { 0x04d1, LOADS, L3 },
    { 0x08d1, LOADS, LFB | L2 | L3 | LOCAL | REMOTE },
    { 0x10d1, LOADS, L3 | LOCAL | REMOTE },
    { 0x20d1, LOADS, LOCAL | REMOTE },
    { 0x40d1, LOADS, LFB },
    { 0x01d3, LOADS, LOCAL },                   /* MEM_LOAD_L3_MISS_RETIRED */
    { 0x02d3, LOADS, REMOTE },
};

static struct {
    X86MemoryModelFn *fn;
    void *opaque;
} memory_model;

static const PMUEventInfo *pmu_counter_event(CPUX86State *env, int c)
{
    static const PMUEventInfo fixed = { 0, INSNS };

    if (c >= X86_PMU_MAX_GP) {
        return &fixed;
    }
    for (int i = 0; i < ARRAY_SIZE(events); i++) {
        if (events[i].code == EVTSEL_CODE(env->msr_gp_evtsel[c])) {
            return &events[i];
        }
    }
    return NULL;
}

/* Bit mask of the sides of the privilege boundary that counter @c counts. */
static unsigned pmu_counter_rings(CPUX86State *env, int c)
{
    uint64_t sel;

    if (!(env->msr_global_ctrl & pmu_counter_bit(c))) {
        return 0;
    }
    if (c >= X86_PMU_MAX_GP) {
        return env->msr_fixed_ctr_ctrl >> (4 * (c - X86_PMU_MAX_GP)) &
               FIXED_RINGS;
    }
    sel = env->msr_gp_evtsel[c];
    if (!(sel & EVTSEL_EN)) {
        return 0;
    }
    return (sel & EVTSEL_OS ? 1 << X86_PMU_OS : 0) |
           (sel & EVTSEL_USR ? 1 << X86_PMU_USR : 0);
}

static bool pmu_counter_interrupts(CPUX86State *env, int c)
{
    if (c >= X86_PMU_MAX_GP) {
        return env->msr_fixed_ctr_ctrl >> (4 * (c - X86_PMU_MAX_GP)) &
               FIXED_PMI;
    }
    return env->msr_gp_evtsel[c] & EVTSEL_INT;
}

static const X86MemCost default_cost = {
    .latency = X86_MEM_DEFAULT_LATENCY,
    .source = X86_MEM_LOCAL_DRAM,
};

void pmu_event_cost(CPUX86State *env, PMUEvent *ev)
{
    X86MemoryModelFn *fn = qatomic_load_acquire(&memory_model.fn);

    if (ev->cost_known) {
        return;
    }
    ev->cost = default_cost;
    ev->cost_known = true;
    if (fn && ev->class != X86_PMU_INSNS) {
        fn(memory_model.opaque, env_cpu(env)->cpu_index, &ev->access,
           &ev->cost);
    }
}

static bool pmu_cost_matches(CPUX86State *env, const PMUEventInfo *info,
                             const X86MemCost *cost)
{
    return (!info->sources || info->sources & (1 << cost->source)) &&
           (!info->latency || cost->latency > env->pmu.pebs_ld_lat) &&
           (!info->stlb_miss || cost->stlb_miss);
}

/*
 * Whether each event has to be looked at to know if it counts; if not,
 * *@none tells that no event ever does.
 */
static bool pmu_needs_filter(CPUX86State *env, const PMUEventInfo *info,
                             bool *none)
{
    bool by_cost = info->sources || info->latency || info->stlb_miss;

    if (by_cost && qatomic_read(&memory_model.fn)) {
        return true;
    }
    *none = !pmu_cost_matches(env, info, &default_cost);
    return info->locked && !*none;
}

static void pmu_attach_counter(CPUX86State *env, int c)
{
    const PMUEventInfo *info = pmu_counter_event(env, c);
    unsigned rings = pmu_counter_rings(env, c);
    bool none = false;

    if (!info || !rings) {
        return;
    }
    if (pmu_needs_filter(env, info, &none)) {
        env->pmu.filtered |= 1 << c;
    }
    for (int r = 0; r < X86_PMU_RINGS && !none; r++) {
        for (int k = 0; k < X86_PMU_CLASSES; k++) {
            if ((rings & (1 << r)) && (info->classes & (1 << k))) {
                env->pmu.counters[r][k] |= 1 << c;
            }
        }
    }
}

/* How many countdowns feed counter @c. */
static unsigned pmu_counter_feeds(CPUX86State *env, int c)
{
    unsigned n = 0;

    for (int r = 0; r < X86_PMU_RINGS; r++) {
        for (int k = 0; k < X86_PMU_CLASSES; k++) {
            n += env->pmu.counters[r][k] >> c & 1;
        }
    }
    return n;
}

/* How many events one countdown may let pass on behalf of counter @c. */
static int32_t pmu_counter_slack(CPUX86State *env, int c)
{
    uint64_t left = PMU_COUNTER_MASK - *pmu_counter(env, c); /* R - 1 */

    if (env->pmu.filtered & (1 << c)) {
        return 0;
    }
    return MIN(left / pmu_counter_feeds(env, c), INT32_MAX);
}

static void pmu_arm(CPUX86State *env)
{
    X86PMUState *pmu = &env->pmu;

    for (int r = 0; r < X86_PMU_RINGS; r++) {
        for (int k = 0; k < X86_PMU_CLASSES; k++) {
            int32_t slack = INT32_MAX;
            unsigned left;

            for (left = pmu->counters[r][k]; left; left &= left - 1) {
                slack = MIN(slack, pmu_counter_slack(env, ctz32(left)));
            }
            pmu->armed[r][k] = pmu->countdown[r][k] = slack;
        }
    }
}

void x86_pmu_sync(CPUX86State *env)
{
    X86PMUState *pmu = &env->pmu;

    for (int r = 0; r < X86_PMU_RINGS; r++) {
        for (int k = 0; k < X86_PMU_CLASSES; k++) {
            uint32_t n = (uint32_t)pmu->armed[r][k] - pmu->countdown[r][k];
            unsigned left;

            pmu->armed[r][k] = pmu->countdown[r][k];
            left = n ? pmu->counters[r][k] & ~pmu->filtered : 0;
            for (; left; left &= left - 1) {
                *pmu_counter(env, ctz32(left)) += n;
            }
        }
    }
}

void x86_pmu_update(CPUX86State *env)
{
    X86PMUState *pmu = &env->pmu;

    memset(pmu->counters, 0, sizeof(pmu->counters));
    pmu->filtered = 0;
    for (int c = 0; c < X86_PMU_COUNTERS; c++) {
        pmu_attach_counter(env, c);
    }
    for (int r = 0; r < X86_PMU_RINGS; r++) {
        pmu->tb_flags[r] = 0;
        for (int k = 0; k < X86_PMU_CLASSES; k++) {
            if (pmu->counters[r][k]) {
                pmu->tb_flags[r] |= X86_PMU_TB_FLAG(k);
            }
        }
    }
    pmu_arm(env);
}

/* Let the counters that filter count @ev if it passes their filter. */
static void pmu_count_filtered(CPUX86State *env, PMUEvent *ev)
{
    unsigned left = env->pmu.counters[ev->ring][ev->class] & env->pmu.filtered;

    for (; left; left &= left - 1) {
        int c = ctz32(left);
        const PMUEventInfo *info = pmu_counter_event(env, c);

        pmu_event_cost(env, ev);
        if (pmu_cost_matches(env, info, &ev->cost) &&
            (!info->locked || ev->access.locked)) {
            *pmu_counter(env, c) += 1;
        }
    }
}

static void pmu_raise_pmi(CPUX86State *env)
{
    BQL_LOCK_GUARD();
    env->pmu.pmi_pending = !apic_deliver_pmi(env_archcpu(env)->apic_state);
}

/* Wrap the counters that have overflowed; tell which, and if one interrupts. */
static uint64_t pmu_wrap(CPUX86State *env, uint64_t *interrupts)
{
    uint64_t overflowed = 0;

    for (int c = 0; c < X86_PMU_COUNTERS; c++) {
        uint64_t *counter = pmu_counter(env, c);

        if (*counter > PMU_COUNTER_MASK) {
            *counter &= PMU_COUNTER_MASK;
            overflowed |= pmu_counter_bit(c);
            if (pmu_counter_interrupts(env, c)) {
                *interrupts |= pmu_counter_bit(c);
            }
        }
    }
    return overflowed;
}

/*
 * A counter with PEBS enabled makes a record of the very event that it
 * overflows at, and does not set its status bit.
 */
static void pmu_overflow(CPUX86State *env, PMUEvent *ev)
{
    uint64_t interrupts = 0;
    uint64_t overflowed = pmu_wrap(env, &interrupts);
    uint64_t pebs = overflowed & env->pmu.pebs_enable;

    env->msr_global_status |= overflowed & ~pebs;
    interrupts &= ~pebs;
    if (pebs && pebs_record(env, ev, pebs)) {
        env->msr_global_status |= PMU_STATUS_BUFFER_OVERFLOW;
        interrupts |= PMU_STATUS_BUFFER_OVERFLOW;
    }
    if (interrupts) {
        pmu_raise_pmi(env);
    }
}

void helper_pmu_event(CPUX86State *env, uint64_t addr, target_ulong ip,
                      uint32_t info)
{
    CPUState *cs = env_cpu(env);
    bool can_do_io = cs->neg.can_do_io;
    PMUEvent ev = {
        .class = FIELD_EX32(info, PMU_EVENT, CLASS),
        .ring = FIELD_EX32(info, PMU_EVENT, RING),
        .ip = ip,
        .next_ip = ip + FIELD_EX32(info, PMU_EVENT, INSN_LEN),
    };

    if (ev.class != X86_PMU_INSNS) {
        ev.access = (X86MemAccess) {
            .addr = addr,
            .size = 1 << FIELD_EX32(info, PMU_EVENT, SIZE_LOG2),
            .store = ev.class == X86_PMU_STORES,
            .locked = FIELD_EX32(info, PMU_EVENT, LOCKED),
            .user = ev.ring == X86_PMU_USR,
        };
    }

    /* With icount, the time stamp and the interrupt are input/output. */
    cs->neg.can_do_io = true;
    x86_pmu_sync(env);
    pmu_count_filtered(env, &ev);
    pmu_overflow(env, &ev);
    pmu_arm(env);
    cs->neg.can_do_io = can_do_io;
}

void x86_pmu_lvtpc_unmasked(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;

    /* What the guest has acknowledged meanwhile needs no interrupt. */
    if (env->pmu.pmi_pending && env->msr_global_status) {
        apic_deliver_pmi(cpu->apic_state);
    }
    env->pmu.pmi_pending = false;
}

static void pmu_refresh(CPUState *cs, run_on_cpu_data data)
{
    CPUX86State *env = cpu_env(cs);

    if (env_archcpu(env)->tcg_pebs) {
        x86_pmu_sync(env);
        x86_pmu_update(env);
    }
}

void x86_set_memory_model(X86MemoryModelFn *fn, void *opaque)
{
    CPUState *cs;

    memory_model.opaque = opaque;
    qatomic_store_release(&memory_model.fn, fn);
    CPU_FOREACH(cs) {
        async_run_on_cpu(cs, pmu_refresh, RUN_ON_CPU_NULL);
    }
}

void x86_pmu_reset(CPUX86State *env)
{
    /* SDM: all general-purpose counters are enabled globally at reset. */
    env->msr_global_ctrl = MAKE_64BIT_MASK(0, pmu_gp_counters(env));
    x86_pmu_update(env);
}

bool x86_pmu_post_load(CPUX86State *env)
{
    if (env->msr_global_ctrl & ~pmu_all_counters(env)) {
        return false;
    }
    for (int c = 0; c < X86_PMU_COUNTERS; c++) {
        if (*pmu_counter(env, c) & ~PMU_COUNTER_MASK) {
            return false;
        }
    }
    x86_pmu_update(env);
    return true;
}

bool x86_pmu_realize(X86CPU *cpu, Error **errp)
{
    switch (cpu->tcg_pebs) {
    case 0:
        return true;
    case 3:
    case 4:
        break;
    default:
        error_setg(errp, "x-tcg-pebs=%u is not a known record format"
                   " (0 for none, 3 or 4)", cpu->tcg_pebs);
        return false;
    }
    if (!IS_INTEL_CPU(&cpu->env)) {
        error_setg(errp, "x-tcg-pebs needs a CPU model of vendor "
                   CPUID_VENDOR_INTEL);
        return false;
    }
    return true;
}
