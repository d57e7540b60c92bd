/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PEBS under TCG: the debug store area and the records in it
 *
 * Everything here is at the mercy of the guest: the debug store area can be
 * anywhere and hold anything.  Guest memory is only reached through the
 * MMU's own translation of the guest's addresses, without faults and only
 * where there is RAM; a record that cannot be written is dropped.
 *
 * Layouts: Intel SDM volume 3B, "Debug Store (DS) mechanism", "PEBS record
 * format" (format 3: Skylake) and "Adaptive PEBS" (format 4: Ice Lake).
 */

#include "qemu/osdep.h"
#include "exec/exec-all.h"
#include "exec/cputlb.h"
#include "pmu-internal.h"

/* Offsets in the 64-bit debug store management area */
#define DS_PEBS_INDEX       0x28
#define DS_PEBS_MAXIMUM     0x30
#define DS_PEBS_THRESHOLD   0x38
#define DS_PEBS_RESET       0x40 /* 8 general-purpose, then fixed counters */

#define DATA_CFG_MEMINFO    (1 << 0)
#define DATA_CFG_GPRS       (1 << 1)
#define DATA_CFG_XMMS       (1 << 2)

#define FORMAT3_WORDS       25
#define FORMAT4_MAX_WORDS   (4 + 4 + 18 + 32)

/* Data source field: bits 3:0, then the bits below */
#define DSE_STORE_L1_HIT    (1 << 0)
#define DSE_STLB_MISS       (1 << 4)
#define DSE_LOCKED          (1 << 5)
#define LATENCY_MAX         0xffff
#define CACHE_LATENCY_SHIFT 32 /* Sapphire Rapids and later */

/* Host addresses of a piece of guest RAM, which may lie across two pages */
typedef struct GuestPiece {
    void *host[2];
    int size[2];
} GuestPiece;

static void *pebs_probe(CPUX86State *env, vaddr addr, int size,
                        MMUAccessType type)
{
    void *host;
    int flags = probe_access_full_mmu(env, addr, size, type,
                                      cpu_mmu_index_kernel(env), &host, NULL);

    /* Watchpoints are for the accesses of instructions. */
    return flags & ~TLB_WATCHPOINT ? NULL : host;
}

/*
 * Find @size bytes, at most a page, at linear address @addr.  False when
 * they are not all RAM that may be accessed so, or wrap around.
 */
static bool pebs_map(CPUX86State *env, vaddr addr, int size,
                     MMUAccessType type, GuestPiece *piece)
{
    int in_page = MIN(size, (int)-(addr | TARGET_PAGE_MASK));

    if (addr + size < addr) {
        return false;
    }
    piece->size[0] = in_page;
    piece->size[1] = size - in_page;
    piece->host[0] = pebs_probe(env, addr, in_page, type);
    piece->host[1] = NULL;
    if (piece->host[0] && piece->size[1]) {
        piece->host[1] = pebs_probe(env, addr + in_page, piece->size[1], type);
    }
    return piece->host[0] && (piece->host[1] || !piece->size[1]);
}

static bool pebs_read_ds(CPUX86State *env, unsigned offset, uint64_t *val)
{
    GuestPiece from;

    if (!pebs_map(env, env->pmu.ds_area + offset, sizeof(*val),
                  MMU_DATA_LOAD, &from)) {
        return false;
    }
    memcpy(val, from.host[0], from.size[0]);
    if (from.size[1]) {
        memcpy((char *)val + from.size[0], from.host[1], from.size[1]);
    }
    *val = le64_to_cpu(*val);
    return true;
}

static void pebs_copy_to(const GuestPiece *to, const void *buf)
{
    memcpy(to->host[0], buf, to->size[0]);
    if (to->size[1]) {
        memcpy(to->host[1], (const char *)buf + to->size[0], to->size[1]);
    }
}

static unsigned pebs_load_source(X86MemSource source)
{
    static const uint8_t codes[] = {
        [X86_MEM_UNKNOWN] = 0x0,
        [X86_MEM_L1] = 0x1,
        [X86_MEM_FILL_BUFFER] = 0x2,
        [X86_MEM_L2] = 0x3,
        [X86_MEM_L3] = 0x4,
        [X86_MEM_LOCAL_DRAM] = 0xc,
        [X86_MEM_REMOTE_DRAM] = 0xd,
    };

    return source < ARRAY_SIZE(codes) ? codes[source] : 0;
}

static uint64_t pebs_data_source(const PMUEvent *ev)
{
    uint64_t dse;

    if (ev->class == X86_PMU_INSNS) {
        return 0;
    }
    if (ev->access.store) {
        dse = ev->cost.source == X86_MEM_L1 ? DSE_STORE_L1_HIT : 0;
    } else {
        dse = pebs_load_source(ev->cost.source);
    }
    return dse | (ev->cost.stlb_miss ? DSE_STLB_MISS : 0) |
           (ev->access.locked ? DSE_LOCKED : 0);
}

/* Models whose latency field has the instruction's and the cache's half. */
static bool pebs_has_cache_latency(CPUX86State *env)
{
    switch (extract32(env->cpuid_version, 16, 4) << 4 |
            extract32(env->cpuid_version, 4, 4)) {
    case 0x8f: /* Sapphire Rapids */
    case 0xcf: /* Emerald Rapids */
    case 0xad: /* Granite Rapids X */
    case 0xae: /* Granite Rapids D */
        return extract32(env->cpuid_version, 8, 4) == 6;
    default:
        return false;
    }
}

static uint64_t pebs_latency(CPUX86State *env, const PMUEvent *ev)
{
    uint64_t latency = MIN(ev->cost.latency, LATENCY_MAX);

    if (ev->class == X86_PMU_INSNS) {
        return 0;
    }
    return pebs_has_cache_latency(env)
           ? latency | latency << CACHE_LATENCY_SHIFT : latency;
}

/* With icount, time stands still inside of a translation block. */
static uint64_t pebs_tsc(CPUX86State *env)
{
    uint64_t tsc = cpu_get_tsc(env) + env->tsc_offset;

    env->pmu.last_tsc = MAX(tsc, env->pmu.last_tsc + 1);
    return env->pmu.last_tsc;
}

static void pebs_put_regs(CPUX86State *env, uint64_t **out,
                          const uint8_t *order, int n)
{
    for (int i = 0; i < n; i++) {
        *(*out)++ = order[i] < CPU_NB_REGS ? env->regs[order[i]] : 0;
    }
}

static int pebs_format3(CPUX86State *env, const PMUEvent *ev, uint64_t status,
                        uint64_t *record)
{
    static const uint8_t order[] = {
        R_EAX, R_EBX, R_ECX, R_EDX, R_ESI, R_EDI, R_EBP, R_ESP,
        R_R8, R_R9, R_R10, R_R11, R_R12, R_R13, R_R14, R_R15,
    };
    uint64_t *out = record;

    *out++ = cpu_compute_eflags(env);
    *out++ = ev->next_ip;
    pebs_put_regs(env, &out, order, ARRAY_SIZE(order));
    *out++ = status;
    *out++ = ev->access.addr;
    *out++ = pebs_data_source(ev);
    *out++ = pebs_latency(env, ev);
    *out++ = ev->ip;
    *out++ = 0; /* no transactional memory */
    *out++ = pebs_tsc(env);
    return out - record;
}

static void pebs_put_gprs(CPUX86State *env, const PMUEvent *ev, uint64_t **out)
{
    static const uint8_t order[] = {
        R_EAX, R_ECX, R_EDX, R_EBX, R_ESP, R_EBP, R_ESI, R_EDI,
        R_R8, R_R9, R_R10, R_R11, R_R12, R_R13, R_R14, R_R15,
    };

    *(*out)++ = cpu_compute_eflags(env);
    *(*out)++ = ev->next_ip;
    pebs_put_regs(env, out, order, ARRAY_SIZE(order));
}

static void pebs_put_xmms(CPUX86State *env, uint64_t **out)
{
    for (int i = 0; i < 16; i++) {
        *(*out)++ = i < CPU_NB_REGS ? env->xmm_regs[i].ZMM_Q(0) : 0;
        *(*out)++ = i < CPU_NB_REGS ? env->xmm_regs[i].ZMM_Q(1) : 0;
    }
}

static int pebs_format4(CPUX86State *env, const PMUEvent *ev, uint64_t status,
                        uint64_t *record)
{
    uint64_t cfg = env->pmu.pebs_data_cfg;
    uint64_t *out = record + 4;

    if (cfg & DATA_CFG_MEMINFO) {
        *out++ = ev->access.addr;
        *out++ = pebs_data_source(ev);
        *out++ = pebs_latency(env, ev);
        *out++ = 0; /* no transactional memory */
    }
    if (cfg & DATA_CFG_GPRS) {
        pebs_put_gprs(env, ev, &out);
    }
    if (cfg & DATA_CFG_XMMS) {
        pebs_put_xmms(env, &out);
    }
    record[0] = cfg | (uint64_t)(out - record) * sizeof(*out) << 48;
    record[1] = ev->ip;
    record[2] = status;
    record[3] = pebs_tsc(env);
    return out - record;
}

/* Put the record into the buffer.  True when the threshold is reached. */
static bool pebs_store(CPUX86State *env, const uint64_t *record, int size)
{
    uint64_t index, maximum, threshold;
    GuestPiece to, index_field;

    if (!pebs_read_ds(env, DS_PEBS_INDEX, &index) ||
        !pebs_read_ds(env, DS_PEBS_MAXIMUM, &maximum) ||
        !pebs_read_ds(env, DS_PEBS_THRESHOLD, &threshold) ||
        maximum < size || index > maximum - size) {
        return false;
    }
    if (!pebs_map(env, index, size, MMU_DATA_STORE, &to) ||
        !pebs_map(env, env->pmu.ds_area + DS_PEBS_INDEX, sizeof(index),
                  MMU_DATA_STORE, &index_field)) {
        return false;
    }
    pebs_copy_to(&to, record);
    index = cpu_to_le64(index + size);
    pebs_copy_to(&index_field, &index);
    return le64_to_cpu(index) >= threshold;
}

/* Also without a record, or a full buffer would end the sampling. */
static void pebs_reload(CPUX86State *env, uint64_t status)
{
    for (int c = 0; c < X86_PMU_COUNTERS; c++) {
        uint64_t reset;

        if ((status & pmu_counter_bit(c)) &&
            pebs_read_ds(env, DS_PEBS_RESET + 8 * c, &reset)) {
            *pmu_counter(env, c) = reset & PMU_COUNTER_MASK;
        }
    }
}

bool pebs_record(CPUX86State *env, PMUEvent *ev, uint64_t status)
{
    uint64_t record[FORMAT4_MAX_WORDS];
    bool threshold;
    int words;

    QEMU_BUILD_BUG_ON(FORMAT3_WORDS > FORMAT4_MAX_WORDS);

    /* The 32-bit layouts of protected mode are not emulated. */
    if (!(env->hflags & HF_LMA_MASK)) {
        return false;
    }
    pmu_event_cost(env, ev);
    words = env_archcpu(env)->tcg_pebs >= 4
            ? pebs_format4(env, ev, status, record)
            : pebs_format3(env, ev, status, record);
    for (int i = 0; i < words; i++) {
        record[i] = cpu_to_le64(record[i]);
    }
    threshold = pebs_store(env, record, words * sizeof(*record));
    pebs_reload(env, status);
    return threshold;
}
