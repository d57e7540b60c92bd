// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A task that forks all the time, so that samples of many short-lived address spaces can be judged: each process
 * reads at random in an area whose address says its process ID. A sample in another's area is attributed wrongly.
 *
 * Usage: churn            until it is killed: read, fork a child that reads and exits; some children execute
 *                         this program anew in between
 *        churn layout     prints first=, spacing= and bytes= of the areas: process P reads first + P * spacing and
 *                         the bytes that follow it
 *        churn child      what such a child executes
 */

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// No library or stack is there, whatever the kernel's choice of addresses; 2^22 processes fit.
constexpr uint64_t FIRST = 0x100000000000;
constexpr uint64_t SPACING = 1 << 20;
constexpr uint64_t BYTES = 64 << 10;
// Reads of one turn: from less than one sample to several drains of a full buffer.
constexpr uint64_t READS_MASK = (1 << 17) - 1;
constexpr unsigned EXEC_EVERY = 4;

uint64_t next_random(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

// This process's area. A child still has its parent's as well.
const char *area()
{
    void *wanted = reinterpret_cast<void *>(FIRST + uint64_t(getpid()) * SPACING);
    void *got = mmap(wanted, BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED_NOREPLACE, -1, 0);

    if (got != wanted) {
        perror("churn: mmap");
        _exit(1);
    }
    return static_cast<const char *>(got);
}

void read_at_random(const char *area, uint64_t seed)
{
    uint64_t random = seed | 1;

    for (uint64_t left = next_random(random) & READS_MASK; left; left--) {
        random = next_random(random);
        (void)*reinterpret_cast<const volatile uint64_t *>(area + (random & (BYTES - 8)));
    }
}

[[noreturn]] void child(char *program, uint64_t seed)
{
    char mode[] = "child";
    char *words[] = {program, mode, nullptr};

    read_at_random(area(), seed);
    if (seed % EXEC_EVERY == 0) {
        execv("/proc/self/exe", words);
        perror("churn: exec");
    }
    _exit(0);
}

[[noreturn]] void parent(char *program)
{
    const char *own = area();

    for (uint64_t random = getpid() * 0x9e3779b97f4a7c15;;) {
        random = next_random(random | 1);
        read_at_random(own, random);
        pid_t pid = fork();
        if (pid == 0) {
            child(program, random >> 8);
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "churn: child %d: status %d\n", pid, status);
            exit(1);
        }
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 1) {
        parent(argv[0]);
    }
    if (!strcmp(argv[1], "layout")) {
        printf("first=%" PRIu64 "\nspacing=%" PRIu64 "\nbytes=%" PRIu64 "\n", FIRST, SPACING, BYTES);
        return 0;
    }
    if (!strcmp(argv[1], "child")) {
        read_at_random(area(), getpid());
        return 0;
    }
    fprintf(stderr, "usage: churn [layout|child]\n");
    return 2;
}
