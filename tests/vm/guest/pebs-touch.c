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

/*
 * Makes accesses, those with a random number below limit (of 65536) to the hot
 * buffer; returns how many. Its arguments are in registers: nothing is spilled.
 */
typedef uint64_t touch_fn(char *hot, char *cold, uint64_t accesses, uint64_t limit);

static inline uint64_t next_random(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

/* One loop a kind of access, so that nothing is decided inside of it. */
#define DEFINE_TOUCH(name, access)                                            \
    static TOUCHING uint64_t touch_##name(char *hot, char *cold,              \
                                          uint64_t accesses, uint64_t limit)  \
    {                                                                         \
        uint64_t random = 88172645463325252, hot_accesses = 0, sum = 0;       \
        for (uint64_t i = 0; i < accesses; i++) {                             \
            random = next_random(random);                                     \
            int is_hot = (random >> 48) < limit;                              \
            uint64_t mask = is_hot ? HOT_BYTES - 1 : (1UL << 26) - 1;         \
            uint64_t offset = random & mask & ~7UL;                           \
            offset -= !is_hot && offset >= COLD_BYTES ? HOT_BYTES : 0;        \
            char *buffer = is_hot ? hot : cold;                               \
            volatile uint64_t *at = (volatile uint64_t *)(buffer + offset);   \
            access;                                                           \
            hot_accesses += is_hot;                                           \
        }                                                                     \
        __asm__ volatile("" : : "r"(sum));                                    \
        return hot_accesses;                                                  \
    }

DEFINE_TOUCH(load, sum += *at)
DEFINE_TOUCH(store, *at = i)
DEFINE_TOUCH(lock, __asm__ volatile("lock incq %0" : "+m"(*at)))

static TOUCHING uint64_t touch_sequential(char *hot, char *cold, uint64_t accesses, uint64_t limit)
{
    uint64_t sum = 0;

    (void)cold;
    (void)limit;
    for (uint64_t left = accesses; left;) {
        uint64_t n = left < HOT_BYTES / 8 ? left : HOT_BYTES / 8;
        volatile uint64_t *at = (volatile uint64_t *)hot;

        for (uint64_t i = 0; i < n; i++) {
            sum += at[i];
        }
        left -= n;
    }
    __asm__ volatile("" : : "r"(sum));
    return accesses;
}

static const struct {
    const char *name;
    touch_fn *touch;
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

struct plan {
    char *hot, *cold;
    uint64_t accesses;
    uint64_t hot_permille;
    int rounds;
};

static void run(touch_fn *touch, const struct plan *plan)
{
    uint64_t limit = plan->hot_permille * 65536 / 1000;
    uint64_t hot = 0;

    for (int i = 0; i < plan->rounds; i++) {
        uint64_t start = now_ns();

        hot += touch(plan->hot, plan->cold, plan->accesses, limit);
        printf("round_ns=%" PRIu64 "\n", now_ns() - start);
    }
    printf("accesses=%" PRIu64 "\nhot_accesses=%" PRIu64 "\n", plan->accesses * plan->rounds, hot);
}

static uint64_t argument(int argc, char **argv, int n, uint64_t otherwise)
{
    return argc > n ? strtoull(argv[n], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
    struct plan plan = {
        .hot = buffer(HOT_BYTES),
        .cold = buffer(COLD_BYTES),
        .accesses = argument(argc, argv, 2, 0),
        .hot_permille = argument(argc, argv, 3, 700),
        .rounds = argument(argc, argv, 4, 1),
    };

    printf("hot=%p-%p\ncold=%p-%p\n", plan.hot, plan.hot + HOT_BYTES, plan.cold, plan.cold + COLD_BYTES);
    printf("code=%p-%p\n", __start_touch_text, __stop_touch_text);
    for (size_t i = 0; argc > 2 && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!strcmp(kinds[i].name, argv[1])) {
            run(kinds[i].touch, &plan);
            return 0;
        }
    }
    fprintf(stderr, "usage: pebs-touch load|store|lock|sequential ACCESSES [HOT-PERMILLE [ROUNDS]]\n");
    return 2;
}
