// SPDX-License-Identifier: GPL-2.0-or-later
// Exchanges pages of programs that live on meanwhile: exchange-chaos SECONDS mixed|huge
//
// Two processes with two workers each. A worker owns a region of base and one of huge pages (huge: two of huge pages
// that are made anew again and again, for disturbance splits them), rewrites and verifies them
// page by page, and does to them what programs do to memory (dropping, protecting, moving, forking, ...). The first
// process also has an exchanger of random pairs of all regions, of both processes, and one that reads memory by
// process_vm_readv(). Prints "checked=PAGES wrong=PAGES" of each process, the outcomes, and what was met under way.
#include <atomic>
#include <cstring>
#include <ctime>
#include <random>
#include <sys/uio.h>
#include <sys/wait.h>
#include <thread>

#include "crowd.hpp"
#include "region.hpp"

namespace {

using chaos::Region, chaos::Tally;

constexpr int processes = 2, workers = 2;
constexpr std::size_t base_pages = 1024, huge_pages = 3, huge_bytes = huge_pages * kit::huge_page;

struct Shared {
    bool huge_only;
    std::atomic<bool> ended;
    std::atomic<int> ready;
    std::atomic<pid_t> pids[processes];
    std::atomic<std::byte*> regions[processes][workers][2];
    Tally tallies[processes];
};

Shared* shared;

void work(int process, int worker) {
    Tally& tally = shared->tallies[process];
    const std::uint64_t key = (static_cast<std::uint64_t>(process * workers + worker) + 1) << 40;
    std::vector<Region> regions;
    std::mt19937 random(static_cast<unsigned>(key >> 40));
    if (shared->huge_only)
        regions.emplace_back(kit::Size::huge, huge_bytes, key);
    else
        regions.emplace_back(kit::Size::base, base_pages * kit::page, key);
    regions.emplace_back(kit::Size::huge, huge_bytes, key << 1);
    for (int i = 0; i < 2; ++i) {
        // One half here, one half there, so that there is something to exchange.
        kit::set_policy(kit::mpol_preferred, (worker + i) % 2);
        for (std::size_t index = 0; index < regions[i].pages(); ++index)
            regions[i].write(index);
        shared->regions[process][worker][i] = regions[i].memory();
    }
    kit::set_policy(kit::mpol_default, 0);
    ++shared->ready;
    while (!shared->ended) {
        Region& region = regions[random() % 2];
        if (shared->huge_only && random() % 8)
            region.map_anew();
        region.refill();
        for (int i = 0; i < (shared->huge_only ? 50 : 400); ++i) {
            const std::size_t index = random() % region.pages();
            chaos::check(region, index, tally);
            if (random() % 4)
                region.write(index);
        }
        chaos::disturb(region, random, tally, shared->huge_only);
    }
    for (const Region& region : regions)
        for (std::size_t index = 0; index < region.pages(); ++index)
            chaos::check(region, index, tally);
}

// The exchanger

struct Place {
    pid_t pid;
    std::uint64_t address;
};

Place random_place(std::mt19937& random, kit::Size size, int process) {
    const std::size_t kind = shared->huge_only ? random() % 2 : size == kit::Size::huge || random() % 8 == 0;
    std::byte* memory = shared->regions[process][random() % workers][kind];
    const std::size_t pages = kind || shared->huge_only ? huge_pages * 512 : base_pages;
    const std::size_t offset = size == kit::Size::huge ? random() % huge_pages * kit::huge_page : random() % pages * kit::page;
    return {shared->pids[process], kit::address(memory + offset)};
}

std::vector<kit::Pair> random_pairs(std::mt19937& random) {
    const kit::Size size = !shared->huge_only && random() % 4 ? kit::Size::base : kit::Size::huge;
    std::vector<kit::Pair> pairs(1 + random() % (size == kit::Size::huge ? 12 : 2000));
    const int one = static_cast<int>(random() % processes), other = random() % 3 ? one : !one;
    for (kit::Pair& pair : pairs) {
        const Place hot = random_place(random, size, one), cold = random_place(random, size, other);
        pair = {hot.pid, cold.pid, hot.address, cold.address, size == kit::Size::huge, 0};
    }
    return pairs;
}

void exchange_all_the_time() {
    std::mt19937 random(7);
    kit::Call sum{};
    while (!shared->ended) {
        std::vector<kit::Pair> pairs = random_pairs(random);
        const kit::Call call = kit::exchange(pairs);
        for (unsigned i = 0; i < EXCHANGE_TEST_OUTCOMES; ++i)
            sum.outcomes[i] += call.outcomes[i];
        sum.huge += call.huge;
        sum.rebuilt += call.rebuilt;
        sum.zapped += call.zapped;
        sum.split += call.split;
    }
    printf("huge=%llu rebuilt=%llu zapped=%llu split=%llu", sum.huge, sum.rebuilt, sum.zapped, sum.split);
    kit::print_outcomes(sum);
    printf("\n");
}

// References that come and go.
void read_all_the_time() {
    std::mt19937 random(9);
    std::array<std::byte, kit::page> buffer;
    while (!shared->ended) {
        const Place place = random_place(random, kit::Size::base, static_cast<int>(random() % processes));
        const iovec local{buffer.data(), buffer.size()};
        const iovec remote{reinterpret_cast<void*>(place.address), buffer.size()};
        process_vm_readv(place.pid, &local, 1, &remote, 1, 0);
    }
}

void run_process(int process) {
    std::vector<std::thread> threads;
    shared->pids[process] = getpid();
    threads.reserve(workers + 2);
    for (int worker = 0; worker < workers; ++worker)
        threads.emplace_back(work, process, worker);
    while (shared->ready < processes * workers)
        usleep(1000);
    if (process == 0) {
        threads.emplace_back(exchange_all_the_time);
        if (!shared->huge_only) // reading memory that is not there yet maps the zero page
            threads.emplace_back(read_all_the_time);
    }
    for (std::thread& thread : threads)
        thread.join();
    printf("checked=%llu wrong=%llu\n", static_cast<unsigned long long>(shared->tallies[process].checked),
           static_cast<unsigned long long>(shared->tallies[process].wrong));
    fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: exchange-chaos SECONDS mixed|huge\n");
        return 2;
    }
    shared = chaos::share<Shared>();
    shared->huge_only = strcmp(argv[2], "huge") == 0;
    return chaos::live_together(processes, shared->ended, run_process, [&] {
        sleep(static_cast<unsigned>(strtoul(argv[1], nullptr, 10)));
    });
}
