// SPDX-License-Identifier: GPL-2.0-or-later
// Exchanges page cache with anonymous memory to and fro while both are in use: exchange-loose-storm PATH TIMES ROUNDS
//
// The file at PATH has a part that stays, which two threads read and map and verify, a part that one overwrites, and an end
// that one truncates, extends, punches holes into and writes. Two more threads own regions of anonymous memory, which they
// rewrite, verify and disturb as in exchange-chaos. Another one exchanges pages of all of that, and moves some into fresh
// pages of either node, until there were TIMES pairs with each side being the hot one and as many moves, and each thread has
// made ROUNDS rounds. Prints "checked=PAGES wrong=PAGES", and the outcomes of the exchanges and of the moves.
#include <cstring>

#include "crowd.hpp"
#include "keyed_file.hpp"
#include "region.hpp"

namespace {

using chaos::Region, chaos::Tally;
using Random = std::mt19937;

// Pages of the file, and of each region.
constexpr std::size_t kept = 1024, overwritten = 256, unsteady = 256, area = 1024;
constexpr int regions = 2, threads = regions + 4;
constexpr std::size_t largest_run = 128; // of pages of one call
constexpr std::size_t mapped_at_once = 16;
constexpr int visits = 64;               // of pages in a round

struct Storm {
    int file = -1;
    bool on_disk = false;
    std::uint64_t times = 0, rounds = 0;
    std::atomic<bool> ended{false};
    std::atomic<int> ready{0}; // threads
    std::array<std::atomic<std::uint64_t>, threads> done{};
    std::atomic<std::byte*> memory[regions]{};
    Tally tally{};
};

Storm* storm; // shared, for children that verify

void count(std::uint64_t wrong_words, const char* part, std::size_t index) {
    ++storm->tally.checked;
    if (wrong_words && storm->tally.wrong++ < 5)
        fprintf(stderr, "wrong: page %zu of the file, %s\n", index, part);
}

// Runs rounds until the end; `thread` is its number. Regions leave holes when they move, into which nothing may be mapped:
// all that threads need is there before the first round.
template <class Round> void live(int thread, const Round& round) {
    ++storm->ready;
    while (storm->ready < threads)
        usleep(1000);
    for (Random random(static_cast<unsigned>(thread)); !storm->ended; ++storm->done[static_cast<std::size_t>(thread)])
        round(random);
}

// ---- The file ----

void* reserve(void* at) {
    void* memory = mmap(at, mapped_at_once * kit::page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
    if (memory == MAP_FAILED)
        kit::fail("mmap");
    return memory;
}

void read_kept(Random& random, void* window) {
    for (int i = 0; i < visits; ++i) {
        const std::size_t index = random() % kept;
        count(keyed::wrong(storm->file, index), "read", index);
    }
    if (random() % 4)
        return; // else nobody would find the address space free
    const std::size_t first = random() % (kept - mapped_at_once);
    keyed::map(storm->file, first, mapped_at_once, window);
    for (std::size_t i = 0; i < mapped_at_once; ++i)
        count(keyed::wrong(static_cast<const std::uint64_t*>(window) + i * keyed::words, first + i, 1), "mapped", first + i);
    reserve(window);
}

// Pages that one thread alone writes and reads.
class Part {
  public:
    Part(std::size_t first, std::size_t pages) : first_(first), generations_(pages, 1) {}

    void visit(Random& random) {
        for (int i = 0; i < visits; ++i) {
            const std::size_t at = random() % generations_.size();
            check(at);
            if (random() % 4 == 0)
                write(at);
        }
        // Else what a disk backs would stay dirty.
        if (storm->on_disk && random() % 4 == 0)
            keyed::settle(storm->file, first_, generations_.size());
    }

    void check_all() const {
        for (std::size_t at = 0; at < generations_.size(); ++at)
            check(at);
    }

    void cut_and_extend(Random& random) {
        const std::size_t at = random() % generations_.size();
        if (random() % 2) {
            punch(at, std::min<std::size_t>(1 + random() % 64, generations_.size() - at));
        } else {
            resize(at);
            resize(generations_.size());
            std::fill(generations_.begin() + static_cast<std::ptrdiff_t>(at), generations_.end(), 0);
        }
    }

  private:
    void check(std::size_t at) const {
        count(keyed::wrong(storm->file, first_ + at, generations_[at]), "written", first_ + at);
    }

    void write(std::size_t at) {
        keyed::write(storm->file, first_ + at, ++newest_);
        generations_[at] = newest_;
    }

    void resize(std::size_t pages) const {
        if (ftruncate(storm->file, static_cast<off_t>((first_ + pages) * kit::page)) != 0)
            kit::fail("ftruncate");
    }

    void punch(std::size_t at, std::size_t pages) {
        if (fallocate(storm->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>((first_ + at) * kit::page), static_cast<off_t>(pages * kit::page)) != 0)
            kit::fail("fallocate");
        std::fill_n(generations_.begin() + static_cast<std::ptrdiff_t>(at), pages, 0);
    }

    std::size_t first_;
    std::vector<std::uint64_t> generations_;
    std::uint64_t newest_ = 1;
};

void live_by_part(int thread, Part part, bool cuts) {
    live(thread, [&](Random& random) {
        part.visit(random);
        if (cuts)
            part.cut_and_extend(random);
    });
    part.check_all();
}

// ---- Anonymous memory ----

void live_by_region(int thread) {
    Region region(kit::Size::base, area * kit::page, (static_cast<std::uint64_t>(thread) + 1) << 40);
    kit::set_policy(kit::mpol_preferred, thread % 2);
    region.refill();
    kit::set_policy(kit::mpol_default, 0);
    storm->memory[thread] = region.memory();
    live(thread, [&](Random& random) {
        region.refill();
        for (int i = 0; i < visits; ++i) {
            const std::size_t index = random() % region.pages();
            chaos::check(region, index, storm->tally);
            // This waits for no exchange.
            if (random() % 8 == 0)
                region.advise(index, 1, MADV_DONTNEED);
            if (random() % 4 == 0)
                region.write(index);
        }
        chaos::disturb(region, random, storm->tally, false);
    });
    for (std::size_t index = 0; index < region.pages(); ++index)
        chaos::check(region, index, storm->tally);
}

// ---- Exchanges ----

// Whether all have done enough.
bool enough(const kit::Loose& hot, const kit::Loose& cold, const kit::Loose& fresh) {
    return std::min({hot.outcomes[0], cold.outcomes[0], fresh.outcomes[0]}) >= storm->times &&
           std::all_of(storm->done.begin(), storm->done.end(), [](const auto& done) { return done >= storm->rounds; });
}

void print(const char* what, const kit::Loose& sum) {
    printf("%s=%llu missing=%u rebuilt=%llu zapped=%llu", what, sum.outcomes[0], sum.missing, sum.rebuilt, sum.zapped);
    kit::print_outcomes(sum);
    printf("\n");
}

void exchange_until_enough() {
    Random random(99);
    kit::Loose hot{}, cold{}, fresh{};
    while (!enough(hot, cold, fresh)) {
        const std::size_t first = random() % (kept + overwritten + unsteady), at = random() % area;
        const std::size_t pages = std::min<std::size_t>(1 + random() % largest_run, area - at);
        const std::byte* mapped = storm->memory[random() % regions] + at * kit::page;
        const bool is_cold = random() % 2, is_fresh = random() % 3 == 0;
        kit::add(is_fresh ? fresh : (is_cold ? cold : hot),
            kit::exchange_loose(is_fresh ? -1 : storm->file, static_cast<int>(random() % 2), first, mapped, pages, is_cold));
    }
    print("hot", hot);
    print("cold", cold);
    print("fresh", fresh);
}

void run() {
    std::vector<std::thread> all;
    all.reserve(threads);
    for (int i = 0; i < regions; ++i)
        all.emplace_back(live_by_region, i);
    all.emplace_back(live_by_part, regions, Part(kept, overwritten), false);
    all.emplace_back(live_by_part, regions + 1, Part(kept + overwritten, unsteady), true);
    for (int i = regions + 2; i < threads; ++i)
        all.emplace_back([i, window = reserve(nullptr)] { live(i, [&](Random& random) { read_kept(random, window); }); });
    while (storm->ready < threads)
        usleep(1000);
    exchange_until_enough();
    storm->ended = true;
    for (std::thread& thread : all)
        thread.join();
    for (std::size_t index = 0; index < kept; ++index)
        count(keyed::wrong(storm->file, index), "kept", index);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: exchange-loose-storm PATH TIMES ROUNDS\n");
        return 2;
    }
    storm = chaos::share<Storm>();
    storm->file = keyed::make(argv[1], kept + overwritten + unsteady, kit::fast);
    storm->on_disk = keyed::is_on_disk(storm->file);
    storm->times = strtoul(argv[2], nullptr, 10);
    storm->rounds = strtoul(argv[3], nullptr, 10);
    run();
    printf("checked=%llu wrong=%llu\n", static_cast<unsigned long long>(storm->tally.checked),
           static_cast<unsigned long long>(storm->tally.wrong));
    return 0;
}
