// SPDX-License-Identifier: GPL-2.0-or-later
// One way for pages to change places, again and again, so that its cost can be measured from outside:
//
//   exchange-cost exchange|move base|huge sequential|shuffled PAIRS ROUNDS [busy]
//
// exchange: by the exchanger. move: by move_pages(2), all hot ones to the fast node, then all cold ones to the slow
// node; next round the other way round. busy: a thread of the program runs on CPU 1 meanwhile, so that it has to be
// told of TLB flushes. Prints ipis=N, how often it was. A page that does not move ends the program with status 2.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <sched.h>
#include <thread>

#include "kit.hpp"

namespace {

void move_all(const std::vector<void*>& pages, int node) {
    const std::vector<int> nodes(pages.size(), node);
    std::vector<int> status(pages.size(), -1);
    if (syscall(SYS_move_pages, 0, pages.size(), pages.data(), nodes.data(), status.data(), 2 /* MPOL_MF_MOVE */) != 0)
        kit::fail("move_pages");
    for (const int found : status) {
        if (found != node) {
            fprintf(stderr, "move_pages: status %d\n", found);
            _exit(2);
        }
    }
}

void run_on(int cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
        kit::fail("sched_setaffinity");
}

// TLB shootdowns that all CPUs have received.
long ipis() {
    FILE* file = fopen("/proc/interrupts", "r");
    char line[4096];
    long sum = 0;
    if (!file)
        kit::fail("/proc/interrupts");
    while (fgets(line, sizeof(line), file)) {
        char* at = strstr(line, "TLB:");
        if (at == nullptr)
            continue;
        char* end = at + 4;
        for (long value = strtol(end, &at, 10); at != end; value = strtol(end, &at, 10)) {
            sum += value;
            end = at;
        }
    }
    fclose(file);
    return sum;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: exchange-cost exchange|move base|huge sequential|shuffled PAIRS ROUNDS [busy]\n");
        return 2;
    }
    const std::string way = argv[1];
    const kit::Size size = strcmp(argv[2], "huge") == 0 ? kit::Size::huge : kit::Size::base;
    const std::size_t count = strtoul(argv[4], nullptr, 10);
    const std::size_t bytes = count * (size == kit::Size::huge ? kit::huge_page : kit::page);
    std::byte* hot = kit::map_on(kit::slow, bytes, size);
    std::byte* cold = kit::map_on(kit::fast, bytes, size);
    std::vector<kit::Pair> pairs = kit::pairs(hot, cold, bytes, size);
    if (strcmp(argv[3], "shuffled") == 0) {
        std::mt19937 random(1);
        std::shuffle(pairs.begin(), pairs.end(), random);
        for (std::size_t i = count - 1; i > 0; --i)
            std::swap(pairs[i].cold_addr, pairs[random() % (i + 1)].cold_addr);
    }
    std::vector<void*> sides[2];
    for (const kit::Pair& pair : pairs) {
        sides[0].push_back(reinterpret_cast<void*>(pair.hot_addr));
        sides[1].push_back(reinterpret_cast<void*>(pair.cold_addr));
    }
    std::atomic<bool> ended = false;
    std::thread busy;
    if (argc > 6) {
        run_on(0);
        busy = std::thread([&ended] {
            run_on(1);
            while (!ended)
                ;
        });
    }
    const long before = ipis();
    for (unsigned long round = 0; round < strtoul(argv[5], nullptr, 10); ++round) {
        if (way == "exchange" && kit::exchange(pairs).outcomes[0] != count) {
            fprintf(stderr, "not all pairs were exchanged\n");
            _exit(2);
        }
        if (way == "move") {
            move_all(sides[round % 2], kit::fast);
            move_all(sides[(round + 1) % 2], kit::slow);
        }
    }
    printf("ipis=%ld\n", ipis() - before);
    ended = true;
    if (busy.joinable())
        busy.join();
    return 0;
}
