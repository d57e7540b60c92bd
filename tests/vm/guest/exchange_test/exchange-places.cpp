// SPDX-License-Identifier: GPL-2.0-or-later
// Exchanges PAIRS pages of the slow node with as many of the fast one and verifies all content and all places:
//
//   exchange-places PAIRS base|huge same|other|shuffled [full]
//
// same: both in this process, in order of addresses; shuffled: in random order; other: the slow ones are in a child
// process. full: before the exchange, fills the fast node until next to nothing is free. Prints one line of
// name=value: outcomes, wrong (words), hot_on_fast and cold_on_slow (pages), free_before and free_after (KiB of node 0),
// full (1: the kernel has refused to allocate there, time and again).
#include <algorithm>
#include <csignal>
#include <cstring>
#include <random>
#include <sys/wait.h>

#include "kit.hpp"

namespace {

constexpr int full_after = 16; // refusals

long free_kib() {
    FILE* file = fopen("/sys/devices/system/node/node0/meminfo", "r");
    char line[128];
    long kib = -1;
    if (!file)
        kit::fail("node0/meminfo");
    while (fgets(line, sizeof(line), file))
        if (const char* found = strstr(line, "MemFree:"))
            kib = strtol(found + 8, nullptr, 10);
    fclose(file);
    return kib;
}

// Takes pages of the fast node until the kernel gives pages of the slow one instead.
void fill_fast_node() {
    constexpr std::size_t step = 64 << 10;
    int refused = 0;
    kit::set_policy(kit::mpol_preferred, kit::fast);
    while (refused < full_after) {
        std::byte* memory = kit::map(step);
        memset(memory, 1, step);
        refused = kit::pages_on(kit::fast, memory, step) == 0 ? refused + 1 : 0;
    }
    kit::set_policy(kit::mpol_default, 0);
}

struct Region {
    pid_t pid = 0; // 0: this process
    std::byte* memory = nullptr;
    int to_child = -1, from_child = -1;
};

struct Report {
    std::uint64_t wrong;
    std::uint64_t moved;
};

Report inspect(const std::byte* memory, std::size_t bytes) {
    return {kit::wrong_words(memory, bytes), kit::pages_on(kit::fast, memory, bytes)};
}

// A child that fills a region on the slow node, waits for a byte and reports.
Region in_child(std::size_t bytes, kit::Size size) {
    int down[2], up[2];
    if (pipe(down) || pipe(up))
        kit::fail("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        kit::fail("fork");
    if (pid > 0) {
        std::byte* memory = nullptr;
        if (read(up[0], &memory, sizeof(memory)) != sizeof(memory))
            kit::fail("child");
        return {pid, memory, down[1], up[0]};
    }
    std::byte* memory = kit::map_on(kit::slow, bytes, size);
    char byte;
    if (write(up[1], &memory, sizeof(memory)) < 0 || read(down[0], &byte, 1) < 0)
        _exit(2);
    const Report report = inspect(memory, bytes);
    _exit(write(up[1], &report, sizeof(report)) == sizeof(report) ? 0 : 2);
}

Report report_of(const Region& region, std::size_t bytes) {
    if (region.pid == 0)
        return inspect(region.memory, bytes);
    Report report{};
    if (write(region.to_child, "x", 1) != 1 || read(region.from_child, &report, sizeof(report)) != sizeof(report))
        kit::fail("child");
    waitpid(region.pid, nullptr, 0);
    return report;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: exchange-places PAIRS base|huge same|other|shuffled [full]\n");
        return 2;
    }
    const kit::Size size = strcmp(argv[2], "huge") == 0 ? kit::Size::huge : kit::Size::base;
    const std::size_t bytes = strtoul(argv[1], nullptr, 10) * (size == kit::Size::huge ? kit::huge_page : kit::page);
    const Region hot = strcmp(argv[3], "other") == 0 ? in_child(bytes, size)
                                                     : Region{0, kit::map_on(kit::slow, bytes, size), -1, -1};
    std::byte* cold = kit::map_on(kit::fast, bytes, size);
    std::vector<kit::Pair> pairs = kit::pairs(hot.memory, cold, bytes, size);
    for (kit::Pair& pair : pairs)
        pair.hot_pid = hot.pid;
    if (strcmp(argv[3], "shuffled") == 0) {
        std::mt19937 random(1);
        std::shuffle(pairs.begin(), pairs.end(), random);
        // Hot and cold at unrelated places, too.
        for (std::size_t i = pairs.size() - 1; i > 0; --i)
            std::swap(pairs[i].cold_addr, pairs[random() % (i + 1)].cold_addr);
    }
    const bool full = argc > 4;
    if (full)
        fill_fast_node();
    const long before = free_kib();
    const kit::Call call = kit::exchange(pairs);
    const long after = free_kib();
    const Report hot_report = report_of(hot, bytes);
    printf("wrong=%llu hot_on_fast=%llu cold_on_slow=%zu free_before=%ld free_after=%ld full=%d batches=%llu flushes=%llu",
           static_cast<unsigned long long>(hot_report.wrong) + kit::wrong_words(cold, bytes),
           static_cast<unsigned long long>(hot_report.moved), kit::pages_on(kit::slow, cold, bytes), before, after, full,
           call.batches, call.flushes);
    kit::print_outcomes(call);
    printf("\n");
    return 0;
}
