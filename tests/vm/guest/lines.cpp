// SPDX-License-Identifier: GPL-2.0-or-later
// Known accesses to known memory, between marks 1 and 2 of tiermeter.
//
//   lines scan NODE MIB ROUNDS     reads one word of each 64-byte line in turn, ROUNDS times
//   lines chase NODE MIB STEPS     follows STEPS pointers, from line to line in one random cycle
//                                  over all of them
//   lines random NODE MIB STEPS    reads a word of STEPS random lines, none of which tells the next
//   lines loop TURNS               executes 64 instructions a turn that access no memory, and two
//                                  to turn
//
// The memory is of the node alone and touched beforehand. Says "ns=N", the guest's own time between
// the marks, and "of=N", the accesses or instructions.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/mempolicy.h>
#include <numeric>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t line_size = 64;

struct alignas(line_size) Line {
    Line* next;
};

#define MARK(number) asm volatile("nopl %c0(%%rax)" : : "i"(0x54494500 + (number)) : "memory")

long now_ns() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

[[noreturn]] void fail(const char* what) {
    perror(what);
    exit(1);
}

Line* take_lines(int node, std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    const unsigned long mask = 1UL << node;
    if (syscall(SYS_mbind, memory, size, MPOL_BIND, &mask, 8 * sizeof mask, 0UL))
        fail("mbind");
    memset(memory, 0, size);
    return static_cast<Line*>(memory);
}

// Sattolo's shuffle: one cycle over all lines. Knuth's MMIX constants make the random numbers.
void link_in_one_cycle(Line* lines, std::size_t count) {
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    std::uint64_t random = 1;
    for (std::size_t i = count - 1; i > 0; i--) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        std::swap(order[i], order[(random >> 32) % i]);
    }
    for (std::size_t i = 0; i < count; i++)
        lines[order[i]].next = &lines[order[(i + 1) % count]];
}

void say(long start, long end, std::size_t accesses) {
    printf("ns=%ld of=%zu\n", end - start, accesses);
}

void scan(Line* lines, std::size_t count, unsigned long rounds) {
    const long start = now_ns();
    MARK(1);
    for (unsigned long round = 0; round < rounds; round++)
        for (const Line* line = lines; line < lines + count; line++)
            asm volatile("mov (%0), %%rax" : : "r"(line) : "rax");
    MARK(2);
    say(start, now_ns(), rounds * count);
}

void chase(Line* lines, std::size_t count, unsigned long steps) {
    constexpr unsigned at_once = 64;
    link_in_one_cycle(lines, count);
    const Line* at = lines;
    unsigned long turns = steps / at_once;
    const long start = now_ns();
    MARK(1);
    asm volatile("1: .rept 64\n\tmov (%0), %0\n\t.endr\n\tdec %1\n\tjnz 1b"
                 : "+r"(at), "+r"(turns)
                 :
                 : "cc", "memory");
    MARK(2);
    say(start, now_ns(), steps / at_once * at_once);
}

// `count` is a power of two.
void random_lines(Line* lines, std::size_t count, unsigned long steps) {
    const auto shift = static_cast<unsigned>(64 - __builtin_ctzl(count));
    std::uint64_t random = 1;
    const long start = now_ns();
    MARK(1);
    for (unsigned long step = 0; step < steps; step++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        asm volatile("mov (%0), %%rax" : : "r"(lines + (random >> shift)) : "rax");
    }
    MARK(2);
    say(start, now_ns(), steps);
}

void loop(unsigned long turns) {
    const unsigned long instructions = turns * 66;
    const long start = now_ns();
    MARK(1);
    asm volatile("1: .rept 64\n\tlea 1(%%rax), %%rax\n\t.endr\n\tdec %0\n\tjnz 1b"
                 : "+r"(turns)
                 :
                 : "cc", "rax");
    MARK(2);
    say(start, now_ns(), instructions);
}

int usage() {
    fprintf(stderr,
            "usage: lines scan NODE MIB ROUNDS | lines chase NODE MIB STEPS |\n"
            "       lines random NODE MIB STEPS | lines loop TURNS\n"
            "STEPS of chase are at least 64; MIB of random is a power of two\n");
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    const auto number = [&](int i) { return strtoul(argv[i], nullptr, 10); };
    if (argc == 3 && !strcmp(argv[1], "loop") && number(2)) {
        loop(number(2));
        return 0;
    }
    if (argc != 5 || !number(3) || !number(4))
        return usage();
    const std::size_t size = number(3) << 20;
    Line* lines = take_lines(atoi(argv[2]), size);
    if (!strcmp(argv[1], "scan"))
        scan(lines, size / sizeof(Line), number(4));
    else if (!strcmp(argv[1], "chase") && number(4) >= 64)
        chase(lines, size / sizeof(Line), number(4));
    else if (!strcmp(argv[1], "random") && !(size & (size - 1)))
        random_lines(lines, size / sizeof(Line), number(4));
    else
        return usage();
    return 0;
}
