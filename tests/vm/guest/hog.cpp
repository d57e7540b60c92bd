// SPDX-License-Identifier: GPL-2.0-or-later
// Takes memory and holds it: `hog BASE_MIB MORE_MIB [NODE]`.
//
// Touches BASE_MIB, says "base", waits for a line on stdin or its end, touches MORE_MIB and says
// "more_ms=N slowest_ms=N": guest milliseconds for all of it and for its slowest MiB. Then holds both until killed.
// With NODE all is bound to that node (mbind, MPOL_BIND).
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::size_t mib = 1 << 20;
constexpr std::size_t page = 4096;

double now_ms() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

char* reserve(std::size_t size, int node) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    const unsigned long mask = node < 0 ? 0 : 1UL << node;
    if (mask && syscall(SYS_mbind, memory, size, MPOL_BIND, &mask, 8 * sizeof mask, 0UL)) {
        perror("mbind");
        exit(2);
    }
    return static_cast<char*>(memory);
}

// Touches each page; returns milliseconds of the slowest MiB.
double touch(char* memory, std::size_t size) {
    double slowest = 0;
    for (std::size_t start = 0; start < size; start += mib) {
        const double begin = now_ms();
        for (std::size_t offset = start; offset < start + mib; offset += page)
            const_cast<volatile char*>(memory)[offset] = 1;
        const double took = now_ms() - begin;
        slowest = took > slowest ? took : slowest;
    }
    return slowest;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: hog BASE_MIB MORE_MIB [NODE]\n");
        return 2;
    }
    const std::size_t base = strtoul(argv[1], nullptr, 10) * mib;
    const std::size_t more = strtoul(argv[2], nullptr, 10) * mib;
    const int node = argc > 3 ? atoi(argv[3]) : -1;
    // Two mappings: one of more than a shrunk guest's MemTotal the kernel would refuse at once.
    touch(reserve(base + page, node), base);
    printf("base\n");
    fflush(stdout);
    getchar();
    char* second = reserve(more + page, node);
    const double begin = now_ms();
    const double slowest = touch(second, more);
    printf("more_ms=%.0f slowest_ms=%.0f\n", now_ms() - begin, slowest);
    fflush(stdout);
    for (;;)
        pause();
}
