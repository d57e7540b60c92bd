// SPDX-License-Identifier: GPL-2.0-or-later
// Exchanges pages of programs that live on meanwhile: exchange-chaos SECONDS mixed|huge
//
// Two processes with two workers each. A worker owns a region of base and one of huge pages (huge: two of huge pages
// that are made anew again and again, for disturbance splits them), rewrites and verifies them
// page by page, and does to them what programs do to memory (dropping, protecting, moving, forking, ...). The first
// process also has an exchanger of random pairs of all regions, of both processes, and one that reads memory by
// process_vm_readv(). Prints "checked=PAGES wrong=PAGES" of each process, the outcomes, and what was met under way.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>
#include <random>
#include <sys/uio.h>
#include <sys/wait.h>
#include <thread>

#include "kit.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace {

constexpr int processes = 2, workers = 2;
constexpr std::size_t base_pages = 1024, huge_pages = 3;
constexpr std::size_t words = kit::page / 8;

struct Tally {
    std::atomic<std::uint64_t> checked, wrong;
};

// Lives in memory that both processes share. Addresses are valid in the process that owns them.
struct Shared {
    bool huge_only;
    std::atomic<bool> ended;
    std::atomic<int> ready;
    std::atomic<pid_t> pids[processes];
    std::atomic<std::byte*> regions[processes][workers][2];
    Tally tallies[processes];
};

Shared* shared;

// Memory of one worker, of pages of one size. A page's content is known by its generation: 0 is zero.
class Region {
public:
    Region(kit::Size size, std::uint64_t key)
        : size_(size), key_(key), bytes_(size == kit::Size::huge ? huge_pages * kit::huge_page : base_pages * kit::page),
          memory_(kit::map(bytes_, size)), spare_(kit::map(bytes_, size)), generations_(bytes_ / kit::page) {}

    [[nodiscard]] std::byte* memory() const { return memory_; }
    [[nodiscard]] std::size_t pages() const { return generations_.size(); }
    [[nodiscard]] kit::Size size() const { return size_; }

    void write(std::size_t index) {
        std::uint64_t* page = at(index);
        const std::uint64_t generation = ++newest_;
        for (std::size_t i = 0; i < words; ++i)
            page[i] = expected(index, i, generation);
        generations_[index] = generation;
    }

    // Writes most of the pages that were dropped.
    void refill() {
        for (std::size_t index = 0; index < pages(); ++index)
            if (generations_[index] == 0 && index % 16)
                write(index);
    }

    [[nodiscard]] bool right(std::size_t index) const {
        const volatile std::uint64_t* page = at(index);
        for (std::size_t i = 0; i < words; ++i)
            if (page[i] != expected(index, i, generations_[index]))
                return false;
        return true;
    }

    void advise(std::size_t first, std::size_t count, int advice) {
        madvise(at(first), count * kit::page, advice); // may be refused: that is part of it
        if (advice == MADV_DONTNEED)
            std::fill_n(generations_.begin() + static_cast<std::ptrdiff_t>(first), count, 0);
    }

    void map_anew() {
        if (mmap(memory_, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            kit::fail("mmap");
        madvise(memory_, bytes_, size_ == kit::Size::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
        std::fill(generations_.begin(), generations_.end(), 0);
    }

    // Read-only and back.
    void protect(std::size_t first, std::size_t count) const {
        if (mprotect(at(first), count * kit::page, PROT_READ) != 0)
            kit::fail("mprotect");
        std::this_thread::yield();
        if (mprotect(at(first), count * kit::page, PROT_READ | PROT_WRITE) != 0)
            kit::fail("mprotect");
    }

    void lock(std::size_t first, std::size_t count) const {
        mlock(at(first), count * kit::page);
        std::this_thread::yield();
        munlock(at(first), count * kit::page);
    }

    // To another address and back.
    void move() {
        void* moved = mremap(memory_, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, spare_);
        if (moved != spare_)
            kit::fail("mremap");
        std::this_thread::yield();
        if (mremap(spare_, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, memory_) != memory_)
            kit::fail("mremap");
        if (mmap(spare_, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            kit::fail("mmap");
    }

private:
    [[nodiscard]] std::uint64_t* at(std::size_t index) const {
        return reinterpret_cast<std::uint64_t*>(memory_ + index * kit::page);
    }

    [[nodiscard]] std::uint64_t expected(std::size_t index, std::size_t word, std::uint64_t generation) const {
        if (generation == 0)
            return 0;
        return kit::content(reinterpret_cast<void*>(key_ + index * kit::page + 8 * word), generation);
    }

    kit::Size size_;
    std::uint64_t key_;
    std::size_t bytes_;
    std::byte* memory_;
    std::byte* spare_;
    std::vector<std::uint64_t> generations_;
    std::uint64_t newest_ = 0;
};

void check(const Region& region, std::size_t index, Tally& tally) {
    ++tally.checked;
    if (region.right(index))
        return;
    if (tally.wrong++ < 5)
        fprintf(stderr, "wrong: page %zu of %p\n", index, static_cast<void*>(region.memory()));
}

// A child verifies its copy of some pages while the parent writes to its own.
void fork_and_check(Region& region, std::size_t first, std::size_t count, Tally& tally) {
    const pid_t pid = fork();
    if (pid < 0)
        kit::fail("fork");
    if (pid == 0) {
        for (std::size_t i = first; i < first + count; ++i)
            check(region, i, tally);
        _exit(0);
    }
    for (std::size_t i = first; i < first + count; i += 3)
        region.write(i);
    waitpid(pid, nullptr, 0);
}

// Disturbances that leave huge pages, or split them by dropping a part.
unsigned huge_disturbance(std::mt19937& random) {
    constexpr std::array<unsigned, 8> choice{0, 0, 0, 3, 3, 4, 6, 11};
    return choice[random() % choice.size()];
}

void disturb(Region& region, std::mt19937& random, Tally& tally) {
    const std::size_t first = random() % region.pages();
    const std::size_t count = std::min<std::size_t>(1 + random() % 64, region.pages() - first);
    switch (shared->huge_only ? huge_disturbance(random) : random() % 12) {
    case 0:
    case 1:
        return region.advise(first, count, MADV_DONTNEED);
    case 2:
        return region.advise(0, region.pages(), MADV_DONTNEED);
    case 3:
        return region.map_anew();
    case 4:
    case 5:
        return region.protect(first, count);
    case 6:
        return region.move();
    case 7:
        return region.lock(first, count);
    case 8:
        return region.advise(0, region.pages(), MADV_COLLAPSE);
    case 9:
        return region.advise(first, count, MADV_PAGEOUT);
    default:
        return fork_and_check(region, first, count, tally);
    }
}

void work(int process, int worker) {
    Tally& tally = shared->tallies[process];
    const std::uint64_t key = (static_cast<std::uint64_t>(process * workers + worker) + 1) << 40;
    std::vector<Region> regions;
    std::mt19937 random(static_cast<unsigned>(key >> 40));
    regions.emplace_back(shared->huge_only ? kit::Size::huge : kit::Size::base, key);
    regions.emplace_back(kit::Size::huge, key << 1);
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
            check(region, index, tally);
            if (random() % 4)
                region.write(index);
        }
        disturb(region, random, tally);
    }
    for (const Region& region : regions)
        for (std::size_t index = 0; index < region.pages(); ++index)
            check(region, index, tally);
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
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        kit::fail("mmap");
    shared = new (memory) Shared{};
    shared->huge_only = strcmp(argv[2], "huge") == 0;
    for (int process = 0; process < processes; ++process) {
        const pid_t pid = fork();
        if (pid < 0)
            kit::fail("fork");
        if (pid == 0) {
            run_process(process);
            _exit(0);
        }
    }
    sleep(static_cast<unsigned>(strtoul(argv[1], nullptr, 10)));
    shared->ended = true;
    int worst = 0, status = 0;
    while (wait(&status) > 0)
        worst = status ? 2 : worst;
    return worst;
}
