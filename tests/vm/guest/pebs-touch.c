// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accesses two buffers at random addresses with a known share of accesses to
 * the first one, and says where they are, so that samples can be judged.
 *
 * Usage: pebs-touch load|store|lock|sequential ACCESSES [HOT-PERMILLE [ROUNDS]]
 *
 * Prints "name=value" words: the ranges hot, cold and code (hexadecimal,
 * first-end), accesses, hot_accesses, and the time of each round in ns.
 * The loops touch no other memory: each access is one instruction.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define HOT_BYTES (8UL << 20)
#define COLD_BYTES (56UL << 20)
#define HUGE_PAGE (2UL << 20)

/* All code that accesses the buffers is in a section with known ends. */
#define TOUCHING __attribute__((noinline, section("touch_text")))
extern const char __start_touch_text[], __stop_touch_text[];

struct plan {
    char *hot, *cold;
    uint64_t accesses;
    uint64_t hot_permille;
};

static inline uint64_t next_random(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

/* One loop a kind of access, so that nothing is decided inside of it. */
#define DEFINE_TOUCH(name, access)                                            \
    static TOUCHING uint64_t touch_##name(struct plan plan)                   \
    {                                                                         \
        uint64_t limit = plan.hot_permille * 65536 / 1000;                    \
        uint64_t random = 88172645463325252, hot = 0, sum = 0;                \
        for (uint64_t i = 0; i < plan.accesses; i++) {                        \
            random = next_random(random);                                     \
            int is_hot = (random >> 48) < limit;                              \
            uint64_t mask = is_hot ? HOT_BYTES - 1 : (1UL << 26) - 1;         \
            uint64_t offset = random & mask & ~7UL;                           \
            offset -= !is_hot && offset >= COLD_BYTES ? HOT_BYTES : 0;        \
            volatile uint64_t *at = (volatile uint64_t *)((is_hot ? plan.hot : plan.cold) + offset); \
            access;                                                           \
            hot += is_hot;                                                    \
        }                                                                     \
        __asm__ volatile("" : : "r"(sum));                                    \
        return hot;                                                           \
    }

DEFINE_TOUCH(load, sum += *at)
DEFINE_TOUCH(store, *at = i)
DEFINE_TOUCH(lock, __asm__ volatile("lock incq %0" : "+m"(*at)))

static TOUCHING uint64_t touch_sequential(struct plan plan)
{
    uint64_t sum = 0, hot = 0;

    for (uint64_t left = plan.accesses; left;) {
        uint64_t n = left < HOT_BYTES / 8 ? left : HOT_BYTES / 8;
        volatile uint64_t *at = (volatile uint64_t *)plan.hot;

        for (uint64_t i = 0; i < n; i++) {
            sum += at[i];
        }
        left -= n;
        hot += n;
    }
    __asm__ volatile("" : : "r"(sum));
    return hot;
}

static const struct {
    const char *name;
    uint64_t (*touch)(struct plan plan);
} kinds[] = {
    {"load", touch_load},
    {"store", touch_store},
    {"lock", touch_lock},
    {"sequential", touch_sequential},
};

/* Populated by the kernel, so that this program does not touch it first. */
static char *buffer(size_t bytes)
{
    char *at = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (at == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return at + (-(uintptr_t)at & (HUGE_PAGE - 1));
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void run(uint64_t (*touch)(struct plan plan), struct plan plan, int rounds)
{
    uint64_t hot = 0;

    for (int i = 0; i < rounds; i++) {
        uint64_t start = now_ns();

        hot += touch(plan);
        printf("round_ns=%" PRIu64 "\n", now_ns() - start);
    }
    printf("accesses=%" PRIu64 "\nhot_accesses=%" PRIu64 "\n", plan.accesses * rounds, hot);
}

int main(int argc, char **argv)
{
    struct plan plan = {buffer(HOT_BYTES), buffer(COLD_BYTES), 0, 700};

    if (argc < 3) {
        fprintf(stderr, "usage: pebs-touch load|store|lock|sequential ACCESSES [HOT-PERMILLE [ROUNDS]]\n");
        return 2;
    }
    plan.accesses = strtoull(argv[2], NULL, 0);
    plan.hot_permille = argc > 3 ? strtoull(argv[3], NULL, 0) : plan.hot_permille;
    printf("hot=%p-%p\ncold=%p-%p\n", plan.hot, plan.hot + HOT_BYTES, plan.cold, plan.cold + COLD_BYTES);
    printf("code=%p-%p\n", __start_touch_text, __stop_touch_text);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!strcmp(kinds[i].name, argv[1])) {
            run(kinds[i].touch, plan, argc > 4 ? atoi(argv[4]) : 1);
            return 0;
        }
    }
    fprintf(stderr, "pebs-touch: '%s' is no kind of access\n", argv[1]);
    return 2;
}
