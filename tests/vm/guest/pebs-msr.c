// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs the performance counters through /dev/cpu/0/msr as a driver would,
 * and as no sane one would. The debug store area is in this program's own
 * memory: the machine must have no SMAP.
 *
 * Prints one line a case: "ok NAME", "FAIL NAME: why" or "skip NAME: why".
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PMC0 = 0xc1,
    EVTSEL0 = 0x186,
    FIXED0 = 0x309,
    CAPABILITIES = 0x345,
    FIXED_CTRL = 0x38d,
    STATUS = 0x38e,
    CTRL = 0x38f,
    OVF_CTRL = 0x390,
    STATUS_SET = 0x391,
    PEBS_ENABLE = 0x3f1,
    DATA_CFG = 0x3f2,
    LD_LAT = 0x3f6,
    FULL_PMC0 = 0x4c1,
    DS_AREA = 0x600,
};

#define USR (1ULL << 16)
#define OS (1ULL << 17)
#define INT (1ULL << 20)
#define EN (1ULL << 22)
#define LOADS 0x81d0
#define STORES 0x82d0
#define LOAD_LATENCY 0x01cd
#define INSTRUCTIONS 0x00c0

#define MASK48 ((1ULL << 48) - 1)
#define PAGE 4096UL
#define BUFFER_PAGES 4

/* Addresses that no other program has: it would get records while it runs. */
#define AREA 0x5a0000000000UL
#define DS_PAGE AREA                      /* one page, then a hole */
#define BUFFER (AREA + 4 * PAGE)          /* BUFFER_PAGES, then a hole */
#define HOLE (BUFFER + (BUFFER_PAGES + 2) * PAGE)
#define BUFFER_END (BUFFER + BUFFER_PAGES * PAGE)

#define PERIOD 1000
#define ACCESSES (10 * PERIOD + PERIOD / 2) /* leaves room for those of libc */
#define RECORDS 10

struct debug_store {
    uint64_t bts[4];
    uint64_t base, index, maximum, threshold;
    uint64_t reset[12];
};

static int msr_fd;
static int format, counters, record_size;
static int failures;
static volatile uint64_t target[8];

static void report(bool ok, const char *name, const char *why, ...)
{
    va_list args;

    printf("%s %s", ok ? "ok" : "FAIL", name);
    if (!ok) {
        failures++;
        printf(": ");
        va_start(args, why);
        vprintf(why, args);
        va_end(args);
    }
    printf("\n");
    fflush(stdout);
}

static bool wrmsr(uint32_t msr, uint64_t value)
{
    return pwrite(msr_fd, &value, sizeof(value), msr) == sizeof(value);
}

static uint64_t rdmsr(uint32_t msr)
{
    uint64_t value = 0;

    if (pread(msr_fd, &value, sizeof(value), msr) != sizeof(value)) {
        printf("FAIL rdmsr-%x: %s\n", msr, strerror(errno));
        exit(1);
    }
    return value;
}

static void must(uint32_t msr, uint64_t value)
{
    if (!wrmsr(msr, value)) {
        report(false, "setup", "writing %" PRIx64 " to MSR %x: %s", value, msr, strerror(errno));
        exit(1);
    }
}

static struct debug_store *ds(void)
{
    return (struct debug_store *)DS_PAGE;
}

static void stop(void)
{
    must(CTRL, 0);
    must(PEBS_ENABLE, 0);
    for (int i = 0; i < counters; i++) {
        must(EVTSEL0 + i, 0);
    }
    must(FIXED_CTRL, 0);
    must(OVF_CTRL, rdmsr(STATUS));
}

/* A sane debug store area, for a test to make less sane. */
static void fresh(void)
{
    stop();
    memset((void *)BUFFER, 0xee, BUFFER_PAGES * PAGE);
    *ds() = (struct debug_store){
        .base = BUFFER, .index = BUFFER, .maximum = BUFFER_END, .threshold = UINT64_MAX,
    };
    must(DS_AREA, DS_PAGE);
    must(LD_LAT, 0);
    if (format >= 4) {
        must(DATA_CFG, 1);
    }
}

static void load_n(uint64_t n)
{
    __asm__ volatile("1: mov (%1), %%rax\n dec %0\n jnz 1b" : "+r"(n) : "r"(target) : "rax", "cc");
}

/* Samples this program's events with counter c, while loads run. */
static void arm(int c, uint64_t select, uint64_t period)
{
    must(FULL_PMC0 + c, -period & MASK48);
    must(EVTSEL0 + c, select | EN);
    must(PEBS_ENABLE, rdmsr(PEBS_ENABLE) | 1ULL << c);
}

static void sample(uint64_t loads, uint64_t enable)
{
    must(CTRL, enable);
    load_n(loads);
    must(CTRL, 0);
}

static int records(void)
{
    return (int)((ds()->index - ds()->base) / record_size);
}

/* The data address of record i. */
static uint64_t record_address(int i)
{
    const uint64_t *record = (const uint64_t *)(ds()->base + (uint64_t)i * record_size);

    return format >= 4 ? record[4] : record[19];
}

static uint64_t record_status(int i)
{
    const uint64_t *record = (const uint64_t *)(ds()->base + (uint64_t)i * record_size);

    return format >= 4 ? record[2] : record[18];
}

static bool buffer_untouched(void)
{
    for (const uint8_t *at = (const uint8_t *)BUFFER; at < (const uint8_t *)BUFFER_END; at++) {
        if (*at != 0xee) {
            return false;
        }
    }
    return true;
}

static void sample_loads(void)
{
    ds()->reset[0] = -(uint64_t)PERIOD & MASK48;
    arm(0, LOADS | USR, PERIOD);
    sample(ACCESSES, 1);
}

static void test_plain(void)
{
    int ours = 0;

    fresh();
    sample_loads();
    for (int i = 0; i < records(); i++) {
        ours += record_address(i) == (uint64_t)target;
    }
    report(records() == RECORDS && ours >= RECORDS - 1, "plain", "%d records, %d of the loop", records(), ours);
}

/* Nothing may be recorded, and index must stay what it was. */
static void check_dropped(const char *name)
{
    uint64_t index = ds()->index;

    sample_loads();
    report(ds()->index == index && buffer_untouched(), name, "index %" PRIx64 " became %" PRIx64, index, ds()->index);
}

static void test_index(void)
{
    static const struct {
        const char *name;
        uint64_t index, maximum;
    } cases[] = {
        {"index-at-maximum", BUFFER_END, BUFFER_END},
        {"index-beyond-maximum", BUFFER_END + PAGE, BUFFER_END},
        {"index-one-byte-short", BUFFER_END - 1, BUFFER_END},
        {"maximum-zero", BUFFER, 0},
        {"maximum-small", 0, 8},
        {"index-huge", UINT64_MAX, BUFFER_END},
        {"record-wraps", UINT64_MAX - 20, UINT64_MAX},
        {"buffer-last-page", UINT64_MAX - PAGE + 1, UINT64_MAX},
        {"buffer-unmapped", HOLE, HOLE + PAGE},
        {"buffer-noncanonical", 0x8000000000000000, UINT64_MAX},
        {"buffer-null", 0, PAGE},
        {"second-page-unmapped", BUFFER_END - 16, BUFFER_END + PAGE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fresh();
        ds()->index = cases[i].index;
        ds()->maximum = cases[i].maximum;
        check_dropped(cases[i].name);
    }
}

static void test_full(void)
{
    fresh();
    ds()->maximum = BUFFER + 3 * record_size;
    sample_loads();
    report(records() == 3 && *(uint8_t *)(BUFFER + 3 * record_size) == 0xee, "buffer-full", "%d records", records());
}

static void test_crossing(void)
{
    fresh();
    ds()->base = ds()->index = BUFFER + PAGE - record_size / 2;
    sample_loads();
    report(records() == RECORDS && record_address(1) == (uint64_t)target, "record-across-pages", "%d records, %" PRIx64,
           records(), record_address(1));
}

static void test_ds_area(void)
{
    uint64_t at_end = DS_PAGE + PAGE - 0x40;

    fresh();
    must(DS_AREA, HOLE);
    check_dropped("ds-unmapped");
    fresh();
    memcpy((void *)at_end, ds(), 0x40);
    must(DS_AREA, at_end);
    sample_loads();
    /* The counter cannot be reloaded. */
    report(((struct debug_store *)at_end)->index == BUFFER + record_size, "ds-reset-unmapped", "index %" PRIx64,
           ((struct debug_store *)at_end)->index);
    fresh();
    must(DS_AREA, 0);
    check_dropped("ds-null");
    fresh();
    must(DS_AREA, UINT64_MAX - 0x30);
    check_dropped("ds-wraps");
    fresh();
    report(!wrmsr(DS_AREA, 0x8000000000000000), "ds-noncanonical-faults", "it was taken");
}

static void test_read_only(void)
{
    fresh();
    mprotect((void *)BUFFER, BUFFER_PAGES * PAGE, PROT_READ);
    check_dropped("buffer-read-only");
    mprotect((void *)BUFFER, BUFFER_PAGES * PAGE, PROT_READ | PROT_WRITE);

    fresh();
    ds()->reset[0] = -(uint64_t)PERIOD & MASK48;
    arm(0, LOADS | USR, PERIOD);
    mprotect((void *)DS_PAGE, PAGE, PROT_READ);
    sample(ACCESSES, 1);
    mprotect((void *)DS_PAGE, PAGE, PROT_READ | PROT_WRITE);
    report(ds()->index == BUFFER && buffer_untouched(), "ds-read-only", "index %" PRIx64, ds()->index);
}

static long nmis(void)
{
    char line[512] = "";
    long n = -1;
    FILE *file = fopen("/proc/interrupts", "r");

    while (file && fgets(line, sizeof(line), file)) {
        sscanf(line, " NMI: %ld", &n);
    }
    fclose(file);
    return n;
}

static void test_threshold(void)
{
    long before;

    fresh();
    ds()->threshold = 0;
    before = nmis();
    sample_loads();
    /* One interrupt: it masks LVTPC, and Linux knows nothing of it. */
    report(records() == RECORDS && nmis() == before + 1, "threshold-zero", "%d records, %ld interrupts", records(),
           nmis() - before);

    fresh();
    before = nmis();
    sample_loads();
    report(records() == RECORDS && nmis() == before, "threshold-never", "%d records, %ld interrupts", records(),
           nmis() - before);
}

static void test_reload_zero(void)
{
    fresh();
    arm(0, LOADS | USR, PERIOD);
    sample(ACCESSES, 1);
    report(records() == 1 && rdmsr(PMC0) < ACCESSES, "reload-zero", "%d records, counter %" PRIx64, records(),
           rdmsr(PMC0));
}

static void test_period_one(void)
{
    int room = BUFFER_PAGES * PAGE / record_size;

    fresh();
    ds()->reset[0] = MASK48;
    arm(0, LOADS | USR, 1);
    sample(100000, 1);
    report(records() == room, "period-one", "%d records, room for %d", records(), room);
}

static void test_reserved_bits(void)
{
    static const struct {
        uint32_t msr;
        uint64_t bits;
        int since; /* record format */
    } cases[] = {
        {EVTSEL0, 1ULL << 40, 3}, {FIXED_CTRL, 1ULL << 12, 3}, {CTRL, 1ULL << 20, 3}, {CTRL, 1ULL << 35, 3},
        {OVF_CTRL, 1ULL << 20, 3}, {STATUS_SET, 1ULL << 20, 3}, {STATUS, 1, 3}, {CAPABILITIES, 0, 3},
        {PEBS_ENABLE, 1ULL << 20, 3}, {LD_LAT, 1ULL << 16, 3}, {FIXED0, 1ULL << 48, 3}, {FULL_PMC0, 1ULL << 48, 3},
        {DATA_CFG, 1ULL << 10, 4}, {DATA_CFG, 1ULL << 3, 4},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char name[64];
        uint64_t before = rdmsr(cases[i].msr);

        if (format < cases[i].since) {
            continue;
        }
        snprintf(name, sizeof(name), "reserved-%x-%" PRIx64, cases[i].msr, cases[i].bits);
        report(!wrmsr(cases[i].msr, cases[i].bits) && rdmsr(cases[i].msr) == before, name, "it was taken");
    }
}

static void test_many_counters(void)
{
    int seen[8] = {0};
    bool right = true;

    fresh();
    for (int i = 0; i < counters; i++) {
        ds()->reset[i] = -(uint64_t)(PERIOD + i) & MASK48;
        arm(i, LOADS | USR, PERIOD + i);
    }
    sample(ACCESSES / 2, (1ULL << counters) - 1);
    for (int i = 0; i < records(); i++) {
        for (int c = 0; c < counters; c++) {
            seen[c] += record_status(i) >> c & 1;
        }
    }
    for (int c = 0; c < counters; c++) {
        right &= seen[c] == RECORDS / 2;
    }
    report(right, "many-counters", "%d records, of counter 0 %d, of the last %d", records(), seen[0],
           seen[counters - 1]);

    fresh();
    for (int i = 0; i < counters; i++) {
        ds()->reset[i] = -(uint64_t)PERIOD & MASK48;
        arm(i, LOADS | USR, PERIOD);
    }
    sample(ACCESSES, (1ULL << counters) - 1);
    report(records() == RECORDS && record_status(0) == (1ULL << counters) - 1, "same-event", "%d records, status %"
           PRIx64, records(), record_status(0));
}

/* What counter 0 counts while a number of loads run in this program. */
static uint64_t count(uint64_t select, uint64_t loads)
{
    fresh();
    must(FULL_PMC0, 0);
    must(EVTSEL0, select | EN);
    sample(loads, 1);
    return rdmsr(PMC0);
}

static void check_between(const char *name, uint64_t value, uint64_t low, uint64_t high)
{
    report(value >= low && value <= high, name, "%" PRIu64 " is not in %" PRIu64 " to %" PRIu64, value, low, high);
}

static void test_counting(void)
{
    uint64_t n = 1000000, few = 500; /* of libc's own */

    check_between("loads-usr", count(LOADS | USR, n), n, n + few);
    check_between("loads-os", count(LOADS | OS, n), 10, n / 2);
    check_between("loads-both", count(LOADS | OS | USR, n), n + 10, n * 3 / 2);
    check_between("stores-usr", count(STORES | USR, n), 0, few);
    check_between("instructions-usr", count(INSTRUCTIONS | USR, n), 3 * n, 3 * n + few);
    check_between("no-ring", count(LOADS, n), 0, 0);
    check_between("unknown-event", count(0xffff | USR | OS, n), 0, 0);
    check_between("load-latency-0", count(LOAD_LATENCY | USR, n), n, n + few);

    fresh();
    must(FULL_PMC0, 0);
    must(LD_LAT, 300);
    must(EVTSEL0, LOAD_LATENCY | USR | EN);
    sample(n, 1);
    check_between("load-latency-300", rdmsr(PMC0), 0, 0);

    fresh();
    must(FIXED0, 0);
    must(FIXED_CTRL, 2);
    sample(n, 1ULL << 32);
    check_between("fixed-instructions-usr", rdmsr(FIXED0), 3 * n, 3 * n + few);
}

/* Both rings feed one counter: it must still overflow exactly. */
static void test_both_rings(void)
{
    int wanted;

    fresh();
    ds()->reset[0] = -(uint64_t)PERIOD & MASK48;
    arm(0, LOADS | USR | OS, PERIOD);
    must(FULL_PMC0 + 1, 0);
    must(EVTSEL0 + 1, LOADS | USR | OS | EN);
    sample(ACCESSES, 3);
    wanted = (int)(rdmsr(PMC0 + 1) / PERIOD);
    /* With PTI the area is not mapped in the kernel's first few instructions. */
    report(records() >= wanted - 1 && records() <= wanted, "both-rings", "%d records, not %d", records(), wanted);
}

static void test_plain_overflow(void)
{
    long before = nmis();

    fresh();
    must(PMC0, 0xfffffff0); /* sign-extended */
    report(rdmsr(PMC0) == (MASK48 & ~0xfULL), "sign-extension", "%" PRIx64, rdmsr(PMC0));
    must(EVTSEL0, LOADS | USR | EN);
    sample(1000, 1);
    report(rdmsr(STATUS) == 1 && nmis() == before, "overflow-status", "status %" PRIx64, rdmsr(STATUS));
    must(OVF_CTRL, 1);
    report(rdmsr(STATUS) == 0, "overflow-cleared", "status %" PRIx64, rdmsr(STATUS));
    must(STATUS_SET, 1);
    report(rdmsr(STATUS) == 1, "status-set", "status %" PRIx64, rdmsr(STATUS));
    must(OVF_CTRL, 1);
}

static void test_groups(void)
{
    static const int sizes[] = {32, 64, 176, 208, 288, 320, 432, 464};

    for (int cfg = 0; format >= 4 && cfg < 8; cfg++) {
        char name[32];
        uint64_t *record = (uint64_t *)BUFFER;

        fresh();
        must(DATA_CFG, cfg);
        sample_loads();
        snprintf(name, sizeof(name), "data-cfg-%d", cfg);
        report(record[0] == ((uint64_t)sizes[cfg] << 48 | cfg) && ds()->index - BUFFER == 10UL * sizes[cfg], name,
               "%" PRIx64 ", %" PRIu64 " bytes", record[0], ds()->index - BUFFER);
    }
}

/* Device memory (the HPET or what is there) must never be written by a record. */
static void test_device_memory(void)
{
    int fd = open("/dev/mem", O_RDWR | O_SYNC);
    void *at = fd < 0 ? MAP_FAILED : mmap((void *)HOLE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0xfed00000);

    if (at == MAP_FAILED) {
        printf("skip device-memory: /dev/mem: %s\n", strerror(errno));
        return;
    }
    fresh();
    ds()->index = ds()->base = HOLE + 0x100;
    ds()->maximum = HOLE + PAGE;
    check_dropped("device-memory");
    fresh();
    must(DS_AREA, HOLE);
    check_dropped("ds-in-device-memory");
    munmap(at, PAGE);
}

static void map(uint64_t address, size_t bytes)
{
    if (mmap((void *)address, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1,
             0) == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
}

static void setup(void)
{
    cpu_set_t cpus;
    struct sched_param priority = {.sched_priority = 50};

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);
    sched_setscheduler(0, SCHED_FIFO, &priority);
    mlockall(MCL_CURRENT);
    msr_fd = open("/dev/cpu/0/msr", O_RDWR);
    if (msr_fd < 0) {
        perror("/dev/cpu/0/msr");
        exit(1);
    }
    map(DS_PAGE, PAGE);
    map(BUFFER, BUFFER_PAGES * PAGE);
    format = rdmsr(CAPABILITIES) >> 8 & 0xf;
    counters = format >= 4 ? 8 : 4;
    record_size = format >= 4 ? 64 : 200;
}

int main(void)
{
    setup();
    test_plain();
    test_index();
    test_full();
    test_crossing();
    test_ds_area();
    test_read_only();
    test_threshold();
    test_reload_zero();
    test_period_one();
    test_reserved_bits();
    test_many_counters();
    test_counting();
    test_both_rings();
    test_plain_overflow();
    test_groups();
    test_device_memory();
    test_plain();
    stop();
    printf("done: format %d, %d failed\n", format, failures);
    return failures != 0;
}
