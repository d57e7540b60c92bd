/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 performance counters under TCG: what the guest reads and writes
 *
 * CPUID, MSRs and RDPMC, with the reserved bits of the Intel SDM (volumes 2
 * and 4): a write that sets one of them faults and changes nothing.
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "pmu-internal.h"

#define MSR_OFFCORE_RSP_0               0x1a6
#define MSR_OFFCORE_RSP_1               0x1a7
#define MSR_CORE_PERF_GLOBAL_STATUS_SET 0x391
#define MSR_CORE_PERF_GLOBAL_INUSE      0x392
#define MSR_IA32_PEBS_ENABLE            0x3f1
#define MSR_PEBS_DATA_CFG               0x3f2
#define MSR_PEBS_LD_LAT_THRESHOLD       0x3f6
#define MSR_PEBS_FRONTEND               0x3f7
#define MSR_IA32_PMC0_FULL              0x4c1
#define MSR_IA32_DS_AREA                0x600

#define MISC_ENABLE_PERFMON             (1ULL << 7)
#define MISC_ENABLE_NO_BTS              (1ULL << 11)
#define MISC_ENABLE_NO_PEBS             (1ULL << 12)

/* IA32_PERF_CAPABILITIES */
#define PERF_CAP_PEBS_TRAP              (1ULL << 6)
#define PERF_CAP_PEBS_ARCH_REG          (1ULL << 7)
#define PERF_CAP_PEBS_FORMAT_SHIFT      8
#define PERF_CAP_FW_WRITE               (1ULL << 13)
#define PERF_CAP_PEBS_BASELINE          (1ULL << 14)

/* IA32_PERF_GLOBAL_STATUS: bits that are never set here but can be cleared */
#define PMU_STATUS_CLEARABLE            MAKE_64BIT_MASK(55, 9)

#define EVTSEL_VALID                    MAKE_64BIT_MASK(0, 34)
#define EVTSEL_ADAPTIVE                 (1ULL << 34) /* format 4 */
#define FIXED_CTRL_VALID                MAKE_64BIT_MASK(0, 4 * X86_PMU_FIXED)
#define FIXED_CTRL_ADAPTIVE             0x11100000000ULL /* format 4 */
#define DATA_CFG_VALID                  7 /* no LBR group */
#define LD_LAT_VALID                    0xffff

#define RDPMC_FIXED                     (1U << 30)

/* All architectural events: to be marked as not available, see the manual. */
#define CPUID_ARCH_EVENTS               7

static bool pmu_has_baseline(CPUX86State *env)
{
    return env_archcpu(env)->tcg_pebs >= 4;
}

static void pmu_cpuid_leaf(CPUX86State *env, uint32_t *eax, uint32_t *ebx,
                           uint32_t *ecx, uint32_t *edx)
{
    bool v5 = pmu_has_baseline(env);

    *eax = (v5 ? 5 : 4) | pmu_gp_counters(env) << 8 |
           PMU_COUNTER_WIDTH << 16 | CPUID_ARCH_EVENTS << 24;
    *ebx = MAKE_64BIT_MASK(0, CPUID_ARCH_EVENTS);
    *ecx = v5 ? MAKE_64BIT_MASK(0, X86_PMU_FIXED) : 0;
    *edx = X86_PMU_FIXED | PMU_COUNTER_WIDTH << 5 | (v5 ? 1 << 15 : 0);
}

void x86_pmu_cpuid(CPUX86State *env, uint32_t leaf, uint32_t *eax,
                   uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    switch (leaf) {
    case 0:
        *eax = MAX(*eax, 0xa);
        break;
    case 1:
        *ecx |= CPUID_EXT_DTES64 | CPUID_EXT_PDCM;
        *edx |= CPUID_DTS;
        break;
    case 0xa:
        pmu_cpuid_leaf(env, eax, ebx, ecx, edx);
        break;
    }
}

static uint64_t pmu_capabilities(CPUX86State *env)
{
    return PERF_CAP_FW_WRITE | PERF_CAP_PEBS_TRAP | PERF_CAP_PEBS_ARCH_REG |
           (uint64_t)env_archcpu(env)->tcg_pebs << PERF_CAP_PEBS_FORMAT_SHIFT |
           (pmu_has_baseline(env) ? PERF_CAP_PEBS_BASELINE : 0);
}

/* Bits of IA32_PEBS_ENABLE; format 3 has load latency enables at 32. */
static uint64_t pebs_enable_valid(CPUX86State *env)
{
    return pmu_has_baseline(env) ? pmu_all_counters(env)
                                 : 0xf | 0xfULL << 32;
}

/* The counter that @msr is, or the select register of it; else NULL. */
static uint64_t *pmu_numbered_msr(CPUX86State *env, uint32_t msr)
{
    unsigned n = pmu_gp_counters(env);

    if (msr - MSR_P6_PERFCTR0 < n) {
        return &env->msr_gp_counters[msr - MSR_P6_PERFCTR0];
    }
    if (msr - MSR_IA32_PMC0_FULL < n) {
        return &env->msr_gp_counters[msr - MSR_IA32_PMC0_FULL];
    }
    if (msr - MSR_P6_EVNTSEL0 < n) {
        return &env->msr_gp_evtsel[msr - MSR_P6_EVNTSEL0];
    }
    if (msr - MSR_CORE_PERF_FIXED_CTR0 < X86_PMU_FIXED) {
        return &env->msr_fixed_counters[msr - MSR_CORE_PERF_FIXED_CTR0];
    }
    return NULL;
}

/* A plain register: reads give what was written; NULL if @msr is none. */
static uint64_t *pmu_plain_msr(CPUX86State *env, uint32_t msr)
{
    switch (msr) {
    case MSR_CORE_PERF_FIXED_CTR_CTRL:
        return &env->msr_fixed_ctr_ctrl;
    case MSR_CORE_PERF_GLOBAL_CTRL:
        return &env->msr_global_ctrl;
    case MSR_IA32_PEBS_ENABLE:
        return &env->pmu.pebs_enable;
    case MSR_PEBS_DATA_CFG:
        return pmu_has_baseline(env) ? &env->pmu.pebs_data_cfg : NULL;
    case MSR_PEBS_LD_LAT_THRESHOLD:
        return &env->pmu.pebs_ld_lat;
    case MSR_PEBS_FRONTEND:
        return &env->pmu.pebs_frontend;
    case MSR_OFFCORE_RSP_0:
    case MSR_OFFCORE_RSP_1:
        return &env->pmu.offcore_rsp[msr - MSR_OFFCORE_RSP_0];
    case MSR_IA32_DS_AREA:
        return &env->pmu.ds_area;
    default:
        return pmu_numbered_msr(env, msr);
    }
}

static uint64_t pmu_msr_valid_bits(CPUX86State *env, uint32_t msr)
{
    bool v5 = pmu_has_baseline(env);

    switch (msr) {
    case MSR_CORE_PERF_FIXED_CTR_CTRL:
        return FIXED_CTRL_VALID | (v5 ? FIXED_CTRL_ADAPTIVE : 0);
    case MSR_CORE_PERF_GLOBAL_CTRL:
        return pmu_all_counters(env);
    case MSR_IA32_PEBS_ENABLE:
        return pebs_enable_valid(env);
    case MSR_PEBS_DATA_CFG:
        return DATA_CFG_VALID;
    case MSR_PEBS_LD_LAT_THRESHOLD:
        return LD_LAT_VALID;
    case MSR_P6_EVNTSEL0 ... MSR_P6_EVNTSEL0 + X86_PMU_MAX_GP - 1:
        return EVTSEL_VALID | (v5 ? EVTSEL_ADAPTIVE : 0);
    case MSR_IA32_PMC0_FULL ... MSR_IA32_PMC0_FULL + X86_PMU_MAX_GP - 1:
    case MSR_CORE_PERF_FIXED_CTR0 ... MSR_CORE_PERF_FIXED_CTR2:
        return PMU_COUNTER_MASK;
    default:
        return UINT64_MAX;
    }
}

static bool is_canonical(CPUX86State *env, uint64_t addr)
{
    int bits = env->cr[4] & CR4_LA57_MASK ? 57 : 48;

    return sextract64(addr, 0, bits) == addr;
}

static bool pmu_write_ok(CPUX86State *env, uint32_t msr, uint64_t val)
{
    if (msr == MSR_IA32_DS_AREA) {
        return is_canonical(env, val);
    }
    return !(val & ~pmu_msr_valid_bits(env, msr));
}

/* Writes that are not plain ones. */
static X86PMUAccess pmu_wrmsr_special(CPUX86State *env, uint32_t msr,
                                      uint64_t val)
{
    uint64_t status = pmu_all_counters(env) | PMU_STATUS_BUFFER_OVERFLOW;

    switch (msr) {
    case MSR_IA32_MISC_ENABLE: {
        uint64_t fixed = MISC_ENABLE_PERFMON | MISC_ENABLE_NO_BTS |
                         MISC_ENABLE_NO_PEBS;

        env->msr_ia32_misc_enable = val & ~fixed;
        return X86_PMU_DONE;
    }
    case MSR_CORE_PERF_GLOBAL_OVF_CTRL:
        if (val & ~(status | PMU_STATUS_CLEARABLE)) {
            return X86_PMU_FAULT;
        }
        env->msr_global_status &= ~val;
        return X86_PMU_DONE;
    case MSR_CORE_PERF_GLOBAL_STATUS_SET:
        if (val & ~status) {
            return X86_PMU_FAULT;
        }
        env->msr_global_status |= val;
        return X86_PMU_DONE;
    case MSR_CORE_PERF_GLOBAL_STATUS:
    case MSR_CORE_PERF_GLOBAL_INUSE:
    case MSR_IA32_PERF_CAPABILITIES:
        return X86_PMU_FAULT;
    default:
        return X86_PMU_NOT_MINE;
    }
}

X86PMUAccess x86_pmu_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val)
{
    uint64_t *reg = pmu_plain_msr(env, msr);

    if (!reg) {
        return pmu_wrmsr_special(env, msr, val);
    }
    if (!pmu_write_ok(env, msr, val)) {
        return X86_PMU_FAULT;
    }
    /* The older address of a counter takes 32 bits, sign-extended. */
    if (msr - MSR_P6_PERFCTR0 < X86_PMU_MAX_GP) {
        val = (int64_t)(int32_t)val & PMU_COUNTER_MASK;
    }
    x86_pmu_sync(env);
    *reg = val;
    x86_pmu_update(env);
    return X86_PMU_DONE;
}

/* Which counters are in use: SDM, IA32_PERF_GLOBAL_INUSE */
static uint64_t pmu_inuse(CPUX86State *env)
{
    uint64_t inuse = 0;

    for (int c = 0; c < pmu_gp_counters(env); c++) {
        inuse |= EVTSEL_CODE(env->msr_gp_evtsel[c]) & 0xff ? 1ULL << c : 0;
    }
    for (int i = 0; i < X86_PMU_FIXED; i++) {
        inuse |= env->msr_fixed_ctr_ctrl >> 4 * i & FIXED_RINGS
                 ? 1ULL << (32 + i) : 0;
    }
    return inuse;
}

X86PMUAccess x86_pmu_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val)
{
    uint64_t *reg = pmu_plain_msr(env, msr);

    if (reg) {
        x86_pmu_sync(env);
        *val = *reg;
        return X86_PMU_DONE;
    }
    switch (msr) {
    case MSR_IA32_MISC_ENABLE:
        *val = env->msr_ia32_misc_enable | MISC_ENABLE_PERFMON |
               MISC_ENABLE_NO_BTS;
        return X86_PMU_DONE;
    case MSR_CORE_PERF_GLOBAL_STATUS:
        *val = env->msr_global_status;
        return X86_PMU_DONE;
    case MSR_CORE_PERF_GLOBAL_OVF_CTRL:
    case MSR_CORE_PERF_GLOBAL_STATUS_SET:
        *val = 0;
        return X86_PMU_DONE;
    case MSR_CORE_PERF_GLOBAL_INUSE:
        *val = pmu_inuse(env);
        return X86_PMU_DONE;
    case MSR_IA32_PERF_CAPABILITIES:
        *val = pmu_capabilities(env);
        return X86_PMU_DONE;
    default:
        return X86_PMU_NOT_MINE;
    }
}

X86PMUAccess x86_pmu_rdpmc(CPUX86State *env, uint32_t index, uint64_t *val)
{
    bool fixed = index & RDPMC_FIXED;
    uint32_t n = index & ~RDPMC_FIXED;

    if (n >= (fixed ? X86_PMU_FIXED : pmu_gp_counters(env))) {
        return X86_PMU_FAULT;
    }
    x86_pmu_sync(env);
    *val = *pmu_counter(env, fixed ? X86_PMU_MAX_GP + n : n);
    return X86_PMU_DONE;
}
