// SPDX-License-Identifier: GPL-2.0-or-later
// Takes memory slowly and tells where it is while it is young: `grow MIB`.
//
// Touches 64 KiB of new memory every 20 ms and looks at once on which node they are, until it has MIB. Prints
// "fast=N all=N": pages on node 0 and all, of the second half. Then holds them until killed.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::size_t mib = 1 << 20;
constexpr std::size_t page = 4096;
constexpr std::size_t pages_per_step = 16;

[[noreturn]] void fail(const char* what) {
    perror(what);
    exit(2);
}

unsigned touch_and_ask(char* memory) {
    void* pages[pages_per_step];
    int nodes[pages_per_step];
    unsigned fast = 0;
    for (std::size_t i = 0; i < pages_per_step; i++) {
        pages[i] = memory + i * page;
        *static_cast<volatile char*>(pages[i]) = 1;
    }
    if (syscall(SYS_move_pages, 0, pages_per_step, pages, nullptr, nodes, 0) != 0)
        fail("move_pages");
    for (const int node : nodes)
        fast += node == 0;
    return fast;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: grow MIB\n");
        return 2;
    }
    const std::size_t size = strtoul(argv[1], nullptr, 10) * mib;
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    madvise(memory, size, MADV_NOHUGEPAGE);
    unsigned fast = 0, all = 0;
    for (std::size_t at = 0; at < size; at += pages_per_step * page) {
        const unsigned here = touch_and_ask(static_cast<char*>(memory) + at);
        if (at >= size / 2) {
            fast += here;
            all += pages_per_step;
        }
        const timespec pause{0, 20'000'000};
        nanosleep(&pause, nullptr);
    }
    printf("fast=%u all=%u\n", fast, all);
    fflush(stdout);
    for (;;)
        pause();
}
