/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: what the guest claims
 *
 * The newest statistics are kept, and judged by what the device knows by
 * itself: how large the tiers are, and how long the virtual CPUs have run.
 * Nothing else is done with them; whoever reads them learns what is doubtful.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/iov.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "hw/virtio/virtio-tiermem.h"
#include "trace.h"

/*
 * No CPU does more in a second, by a wide margin: five accesses a cycle at 6
 * GHz, a copy from cache to cache, a sample every few cycles.
 */
#define VIRTIO_TIERMEM_CPU_ACCESSES (1ull << 35)
#define VIRTIO_TIERMEM_CPU_COPIED (1ull << 36)
#define VIRTIO_TIERMEM_CPU_SAMPLES (1ull << 30)

/* Accesses per second by which rounding may put a rate off. */
#define VIRTIO_TIERMEM_RATE_ROUNDING 16
/* Guest time that may lie between counting and the arrival of the counts. */
#define VIRTIO_TIERMEM_COUNT_DELAY_MS 1000
/* Longest time that is looked back on. */
#define VIRTIO_TIERMEM_COUNT_WINDOW_MS (3600 * 1000)

/* "busy" is in permille of one CPU; as much is granted to an idle guest. */
#define VIRTIO_TIERMEM_BUSY_CPU 1000
#define VIRTIO_TIERMEM_BUSY_LEAST 10
/* A guest's rates are means over some time: so long its CPUs' count. */
#define VIRTIO_TIERMEM_BUSY_MEMORY_MS (60 * 1000)
/* Less is too short to measure by. */
#define VIRTIO_TIERMEM_BUSY_MEASURE_MS 20

void virtio_tiermem_stats_init(VirtIOTiermemStats *stats)
{
    stats->entries = g_new0(VirtIOTiermemStat, VIRTIO_TIERMEM_MAX_STATS);
    stats->before = g_new0(VirtIOTiermemStat, VIRTIO_TIERMEM_MAX_STATS);
    stats->wire = g_new0(struct virtio_tiermem_stat, VIRTIO_TIERMEM_MAX_STATS);
}

void virtio_tiermem_stats_destroy(VirtIOTiermemStats *stats)
{
    g_free(stats->entries);
    g_free(stats->before);
    g_free(stats->wire);
}

void virtio_tiermem_stats_clear(VirtIOTiermemStats *stats)
{
    stats->received = false;
    stats->num = 0;
    stats->doubts = 0;
    stats->measured = false;
}

/* ---- Reading ---- */

static int virtio_tiermem_stat_compare(const void *a, const void *b)
{
    const VirtIOTiermemStat *x = a, *y = b;

    if (x->tag != y->tag) {
        return x->tag < y->tag ? -1 : 1;
    }
    if (x->tier != y->tier) {
        return x->tier < y->tier ? -1 : 1;
    }
    if (x->index != y->index) {
        return x->index < y->index ? -1 : 1;
    }
    return 0;
}

static int virtio_tiermem_stat_compare_in_order(const void *a, const void *b)
{
    const VirtIOTiermemStat *x = a, *y = b;
    const int key = virtio_tiermem_stat_compare(a, b);

    return key ? key : x->order < y->order ? -1 : 1;
}

static bool virtio_tiermem_stat_known(const VirtIOTiermemStat *stat)
{
    return stat->tag <= VIRTIO_TIERMEM_STAT_OOM_RECLAIMS &&
           (stat->tier < VIRTIO_TIERMEM_NUM_TIERS ||
            stat->tier == VIRTIO_TIERMEM_STAT_NO_TIER);
}

/* Entries in ascending order; of those with the same key the last counts. */
static void virtio_tiermem_stats_decode(VirtIOTiermemStats *stats, uint32_t num)
{
    VirtIOTiermemStat *entries = stats->entries;
    uint32_t i, known = 0;

    for (i = 0; i < num; i++) {
        const VirtIOTiermemStat stat = {
            .tag = le16_to_cpu(stats->wire[i].tag),
            .tier = le16_to_cpu(stats->wire[i].tier),
            .index = le32_to_cpu(stats->wire[i].index),
            .order = i,
            .value = le64_to_cpu(stats->wire[i].value),
        };

        if (virtio_tiermem_stat_known(&stat)) {
            entries[known++] = stat;
        }
    }
    qsort(entries, known, sizeof(*entries),
          virtio_tiermem_stat_compare_in_order);
    stats->num = 0;
    for (i = 0; i < known; i++) {
        if (i + 1 == known ||
            virtio_tiermem_stat_compare(&entries[i], &entries[i + 1])) {
            entries[stats->num++] = entries[i];
        }
    }
}

/* ---- How much the virtual CPUs have run ---- */

/* Threads of several virtual CPUs may be one. False: it cannot be told. */
static bool virtio_tiermem_cpu_time(int64_t *ns, unsigned *cpus)
{
    const QemuThread *last = NULL;
    CPUState *cpu;

    *ns = 0;
    *cpus = 0;
    CPU_FOREACH(cpu) {
        struct timespec time;
        clockid_t clock;

        ++*cpus;
        if (cpu->thread == last) {
            continue;
        }
        last = cpu->thread;
        if (pthread_getcpuclockid(cpu->thread->thread, &clock) ||
            clock_gettime(clock, &time)) {
            return false;
        }
        *ns += time.tv_sec * NANOSECONDS_PER_SECOND + time.tv_nsec;
    }
    return true;
}

/* What was busy is forgotten by and by; *cpus: how many there are. */
static void virtio_tiermem_measure_cpus(VirtIOTiermemStats *stats,
                                        int64_t now_ms, unsigned *cpus)
{
    const int64_t elapsed = now_ms - stats->measured_ms;
    uint64_t most, busy, left;
    int64_t ns;
    const bool told = virtio_tiermem_cpu_time(&ns, cpus);

    most = (uint64_t)*cpus * VIRTIO_TIERMEM_BUSY_CPU;
    if (stats->measured && told && ns >= stats->cpu_ns && elapsed >= 0) {
        if (elapsed < VIRTIO_TIERMEM_BUSY_MEASURE_MS) {
            return;
        }
        busy = (ns - stats->cpu_ns) / (elapsed * SCALE_US);
        left = elapsed >= VIRTIO_TIERMEM_BUSY_MEMORY_MS ? 0 :
               stats->busy - muldiv64(stats->busy, elapsed,
                                      VIRTIO_TIERMEM_BUSY_MEMORY_MS);
        busy = MAX(MAX(busy, left), VIRTIO_TIERMEM_BUSY_LEAST);
        stats->busy = MIN(busy, most);
    } else {
        stats->busy = most;
    }
    stats->measured = told;
    stats->measured_ms = now_ms;
    stats->cpu_ns = ns;
}

/* ---- Judging ---- */

static uint64_t virtio_tiermem_all_bytes(const VirtIOTiermem *s)
{
    uint64_t sum = 0;
    unsigned t;

    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        sum += s->tiers[t].set.size;
    }
    return sum;
}

static bool virtio_tiermem_is_bytes(uint16_t tag)
{
    return tag == VIRTIO_TIERMEM_STAT_TOTAL ||
           tag == VIRTIO_TIERMEM_STAT_FREE ||
           tag == VIRTIO_TIERMEM_STAT_RECLAIMABLE ||
           tag == VIRTIO_TIERMEM_STAT_CURVE_BYTES;
}

/* More bytes than there are. */
static bool virtio_tiermem_doubt_bytes(const VirtIOTiermem *s)
{
    const uint64_t all = virtio_tiermem_all_bytes(s);
    uint32_t i;

    for (i = 0; i < s->stats.num; i++) {
        const VirtIOTiermemStat *stat = &s->stats.entries[i];
        const uint64_t most = stat->tier < VIRTIO_TIERMEM_NUM_TIERS ?
                              s->tiers[stat->tier].set.size : all;

        if (virtio_tiermem_is_bytes(stat->tag) && stat->value > most) {
            return true;
        }
    }
    return false;
}

/* The entries with a tag, which stand together. */
static const VirtIOTiermemStat *virtio_tiermem_stats_of(
    const VirtIOTiermemStats *stats, uint16_t tag, uint32_t *num)
{
    const VirtIOTiermemStat *first = NULL;
    uint32_t i;

    *num = 0;
    for (i = 0; i < stats->num; i++) {
        if (stats->entries[i].tag == tag) {
            first = first ?: &stats->entries[i];
            ++*num;
        }
    }
    return first;
}

/* Whether memory is hotter, by more than an eighth, than some before it. */
static bool virtio_tiermem_heat_rises(uint64_t bytes_before,
                                      uint64_t rate_before, uint64_t bytes,
                                      uint64_t rate)
{
    uint64_t most, least, low[2], high[2];

    most = MIN(rate_before, UINT64_MAX / 2) + VIRTIO_TIERMEM_RATE_ROUNDING;
    most += most / 8;
    least = rate > VIRTIO_TIERMEM_RATE_ROUNDING ?
            rate - VIRTIO_TIERMEM_RATE_ROUNDING : 0;
    mulu64(&low[0], &high[0], most, bytes);
    mulu64(&low[1], &high[1], least, bytes_before);
    return high[1] > high[0] || (high[1] == high[0] && low[1] > low[0]);
}

/* Not a curve by descending heat. */
static bool virtio_tiermem_doubt_curve(const VirtIOTiermemStats *stats)
{
    uint64_t end = 0, within = 0, bytes_before = 0, rate_before = 0;
    const VirtIOTiermemStat *bytes, *rates;
    uint32_t i, num_bytes, num_rates;

    bytes = virtio_tiermem_stats_of(stats, VIRTIO_TIERMEM_STAT_CURVE_BYTES,
                                    &num_bytes);
    rates = virtio_tiermem_stats_of(stats, VIRTIO_TIERMEM_STAT_CURVE_RATE,
                                    &num_rates);
    if (num_bytes != num_rates || num_bytes > VIRTIO_TIERMEM_MAX_CURVE_POINTS) {
        return true;
    }
    for (i = 0; i < num_bytes; i++) {
        if (bytes[i].tier != VIRTIO_TIERMEM_STAT_NO_TIER ||
            rates[i].tier != VIRTIO_TIERMEM_STAT_NO_TIER ||
            bytes[i].index != i || rates[i].index != i ||
            bytes[i].value <= end || rates[i].value < within ||
            (i && virtio_tiermem_heat_rises(bytes_before, rate_before,
                                            bytes[i].value - end,
                                            rates[i].value - within))) {
            return true;
        }
        bytes_before = bytes[i].value - end;
        rate_before = rates[i].value - within;
        end = bytes[i].value;
        within = rates[i].value;
    }
    return false;
}

/* Most that a counter can have grown by since the statistics before. */
static uint64_t virtio_tiermem_most_growth(const VirtIOTiermemStats *stats,
                                           uint16_t tag, int64_t elapsed_ms,
                                           unsigned cpus)
{
    const uint64_t window = MIN(MAX(elapsed_ms, 0),
                                VIRTIO_TIERMEM_COUNT_WINDOW_MS) +
                            VIRTIO_TIERMEM_COUNT_DELAY_MS;
    uint64_t per_cpu;

    switch (tag) {
    case VIRTIO_TIERMEM_STAT_PROMOTED:
    case VIRTIO_TIERMEM_STAT_DEMOTED:
        per_cpu = VIRTIO_TIERMEM_CPU_COPIED;
        break;
    case VIRTIO_TIERMEM_STAT_SAMPLES:
        per_cpu = VIRTIO_TIERMEM_CPU_SAMPLES;
        break;
    case VIRTIO_TIERMEM_STAT_CPU_TIME:
        /* By the guest's clock, on which a virtual CPU may have to wait. */
        return window * SCALE_MS * cpus;
    default:
        return UINT64_MAX;
    }
    return muldiv64(stats->busy * (per_cpu / VIRTIO_TIERMEM_BUSY_CPU), window,
                    1000);
}

static const VirtIOTiermemStat *virtio_tiermem_stat_before(
    const VirtIOTiermemStats *stats, const VirtIOTiermemStat *stat)
{
    return bsearch(stat, stats->before, stats->num_before,
                   sizeof(*stats->before), virtio_tiermem_stat_compare);
}

/* More than the virtual CPUs can have done. */
static bool virtio_tiermem_doubt_rate(const VirtIOTiermemStats *stats,
                                      int64_t elapsed_ms, unsigned cpus)
{
    const uint64_t most_accesses =
        stats->busy * (VIRTIO_TIERMEM_CPU_ACCESSES / VIRTIO_TIERMEM_BUSY_CPU);
    uint32_t i;

    for (i = 0; i < stats->num; i++) {
        const VirtIOTiermemStat *stat = &stats->entries[i];
        const VirtIOTiermemStat *before;

        if (stat->tag == VIRTIO_TIERMEM_STAT_CURVE_RATE &&
            stat->value > most_accesses) {
            return true;
        }
        before = virtio_tiermem_stat_before(stats, stat);
        if (before && stat->value > before->value &&
            stat->value - before->value >
            virtio_tiermem_most_growth(stats, stat->tag, elapsed_ms, cpus)) {
            return true;
        }
    }
    return false;
}

static void virtio_tiermem_judge(VirtIOTiermem *s, int64_t elapsed_ms,
                                 unsigned cpus)
{
    VirtIOTiermemStats *stats = &s->stats;

    stats->doubts = 0;
    if (virtio_tiermem_doubt_bytes(s)) {
        stats->doubts |= BIT(TIERMEM_DOUBT_BYTES);
    }
    if (virtio_tiermem_doubt_curve(stats)) {
        stats->doubts |= BIT(TIERMEM_DOUBT_CURVE);
    }
    if (virtio_tiermem_doubt_rate(stats, elapsed_ms, cpus)) {
        stats->doubts |= BIT(TIERMEM_DOUBT_RATE);
    }
}

void virtio_tiermem_stats_receive(VirtIOTiermem *s, const struct iovec *iov,
                                  unsigned iov_num)
{
    VirtIOTiermemStats *stats = &s->stats;
    const size_t len = MIN(iov_size(iov, iov_num),
                           VIRTIO_TIERMEM_MAX_STATS * sizeof(*stats->wire));
    const uint32_t num = len / sizeof(*stats->wire);
    const int64_t now_ms = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
    const int64_t elapsed_ms = now_ms - stats->guest_ms;
    VirtIOTiermemStat *before = stats->before;
    unsigned cpus;

    stats->before = stats->entries;
    stats->num_before = stats->num;
    stats->entries = before;
    iov_to_buf(iov, iov_num, 0, stats->wire, num * sizeof(*stats->wire));
    virtio_tiermem_stats_decode(stats, num);
    virtio_tiermem_measure_cpus(stats, now_ms, &cpus);
    virtio_tiermem_judge(s, elapsed_ms, cpus);
    stats->received = num;
    stats->guest_ms = now_ms;
    stats->host_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    trace_virtio_tiermem_stats(num, stats->busy, stats->doubts);
}
