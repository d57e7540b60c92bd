// SPDX-License-Identifier: GPL-2.0-or-later
// Mapped pages trade places with page cache that is mapped nowhere, or move into fresh pages:
//
//   exchange-loose make PATH PAGES NODE            makes a file, with its page cache on the node
//   exchange-loose trade PATH PAGES hot|cold FIFO  exchanges it with anonymous memory of the other node, which is the hot
//                                                  or the cold side
//   exchange-loose move PAGES hot|cold FIFO        moves such memory to the other node
//   exchange-loose drop PATH PAGES TIMES           makes a file and exchanges it with memory, which also moves into fresh
//                                                  pages, while a thread writes and drops that, until TIMES pages were
//                                                  dropped while they were under way
//   exchange-loose refusals FOLDER HUGE DISK       brings about each refusal: a tmpfs, one of huge pages, a disk's folder
//
// trade and move print "ready" when nothing but the exchange is left to do, wait until somebody opens FIFO for writing and
// closes it, exchange, print outcomes and wrong (words of anonymous memory and of the file), anon and file (pages that are
// on the node where they should be now), and wait again. drop prints outcomes, zapped and wrong (words). refusals prints lines as exchange-refusals does, "missing=PAGES"
// too where the file has no such page. Needs root.
#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "keyed_file.hpp"

namespace {

using kit::page;

void wait_for(const char* fifo) {
    std::ifstream stream(fifo);
    (void)std::string(std::istreambuf_iterator<char>(stream), {});
}

void say(const char* what) {
    puts(what);
    fflush(stdout);
}

// path: nullptr for fresh pages.
int exchange(const char* path, std::size_t pages, bool cold, const char* fifo) {
    const int from = cold ? kit::fast : kit::slow, to = cold ? kit::slow : kit::fast;
    const int file = path ? keyed::open(path) : -1;
    const std::byte* anon = kit::map_on(from, pages * page);
    if (path && keyed::pages_on(to, file, pages) != pages)
        kit::fail("the file is not on the other node");
    say("ready");
    wait_for(fifo);
    const kit::Loose call = kit::exchange_loose(file, to, 0, anon, pages, cold);
    printf("wrong=%lu anon=%zu file=%zu missing=%u",
           kit::wrong_words(anon, pages * page) + (path ? keyed::wrong_in(file, pages) : 0),
           kit::pages_on(to, anon, pages * page), path ? keyed::pages_on(from, file, pages) : 0, call.missing);
    kit::print_outcomes(call);
    say("");
    wait_for(fifo);
    return 0;
}

// ---- Memory that is dropped meanwhile ----

// Returns how many words were wrong.
std::uint64_t write_and_drop(std::byte* memory, std::size_t bytes, const std::atomic<bool>& ended) {
    std::uint64_t wrong = 0;
    while (!ended) {
        kit::fill(memory, bytes);
        wrong += kit::wrong_words(memory, bytes);
        if (madvise(memory, bytes, MADV_DONTNEED) != 0)
            kit::fail("madvise");
        wrong += memory[0] != std::byte{} || memory[bytes - 1] != std::byte{};
    }
    return wrong;
}

int exchange_what_is_dropped(const char* path, std::size_t pages, std::uint64_t times) {
    const int file = keyed::make(path, pages, kit::fast);
    std::byte* memory = kit::map(pages * page);
    std::atomic<bool> ended{false};
    std::uint64_t wrong = 0;
    kit::Loose sum{};
    std::thread dropper([&] { wrong = write_and_drop(memory, pages * page, ended); });
    for (unsigned round = 0; sum.zapped < times; ++round) {
        const int node = static_cast<int>(round / 2 % 2);
        kit::add(sum, kit::exchange_loose(round % 2 ? file : -1, node, 0, memory, pages, round / 4 % 2));
    }
    ended = true;
    dropper.join();
    printf("wrong=%lu zapped=%llu", wrong + keyed::wrong_in(file, pages), sum.zapped);
    kit::print_outcomes(sum);
    say("");
    return 0;
}

// ---- Refusals ----

// A page on the slow node that is to trade with page 0 of the file on the fast one, or with a fresh one.
struct Trial {
    const char* name;
    int file = -1;
    std::byte* mapped = kit::map_on(kit::slow, page);
    std::size_t index = 0;
    bool kept = true; // the page of the file keeps its content
    std::uint64_t generation = 1;
};

void report(const Trial& trial, unsigned trouble = EXCHANGE_TEST_NONE) {
    const kit::Loose call = kit::exchange_loose(trial.file, kit::fast, trial.index, trial.mapped, 1, false, trouble);
    unsigned outcome = 0;
    while (outcome < EXCHANGE_TEST_OUTCOMES && !call.outcomes[outcome])
        ++outcome;
    if (outcome == EXCHANGE_TEST_OUTCOMES) {
        printf("%s missing=%u\n", trial.name, call.missing);
        return;
    }
    const bool has_file = trial.file >= 0 && trial.kept;
    const std::uint64_t wrong = kit::wrong_words(trial.mapped, page) +
                                (has_file ? keyed::wrong(trial.file, trial.index, trial.generation) : 0);
    const bool same = kit::pages_on(kit::slow, trial.mapped, page) == 1 &&
                      (!has_file || keyed::pages_on(kit::fast, trial.file, 1) == 1);
    kit::print_case(trial.name, outcome, call.outcomes[outcome], wrong, same);
}

int fresh_file(const std::string& folder, std::size_t pages = 1) {
    const std::string path = folder + "/loose";
    const int file = keyed::make(path.c_str(), pages, kit::fast);
    unlink(path.c_str());
    return file;
}

void mapped_file(const char* name, const char* again, const std::string& folder) {
    const int file = fresh_file(folder);
    void* memory = keyed::map(file, 0, 1);
    (void)*static_cast<volatile std::byte*>(memory);
    report({.name = name, .file = file});
    munmap(memory, page);
    report({.name = again, .file = file});
}

// A pipe has the page cache's own page.
void in_a_pipe(const char* name, const std::string& folder) {
    const int file = fresh_file(folder);
    int ends[2];
    keyed::Page read_back;
    off_t offset = 0;
    if (pipe(ends) || splice(file, &offset, ends[1], nullptr, page, 0) != static_cast<ssize_t>(page))
        kit::fail("splice");
    report({.name = name, .file = file});
    if (read(ends[0], read_back.data(), page) != static_cast<ssize_t>(page) || keyed::wrong(read_back.data(), 0, 1))
        kit::fail("the pipe's page has changed");
    close(ends[0]);
    close(ends[1]);
}

// Content that the disk does not have yet.
void dirty(const char* name, const std::string& folder) {
    const int file = fresh_file(folder);
    keyed::write(file, 0, 2);
    report({.name = name, .file = file, .generation = 2});
}

void missing(const char* name, const std::string& folder) {
    const int file = fresh_file(folder);
    report({.name = name, .file = file, .index = 1});
    if (ftruncate(file, 0) != 0)
        kit::fail("ftruncate");
    report({.name = "truncated", .file = file});
}

// The other side is what may not be exchanged.
void mapped_sides(const std::string& folder) {
    const unsigned long slow = 1UL << kit::slow;
    Trial trial{.name = "mbind", .file = fresh_file(folder)};
    if (syscall(SYS_mbind, trial.mapped, page, kit::mpol_bind, &slow, 64, 0) != 0)
        kit::fail("mbind");
    report(trial);
    report({.name = "mbind-fresh", .mapped = trial.mapped});
    trial = {.name = "mlock", .file = fresh_file(folder)};
    if (mlock(trial.mapped, page) != 0)
        kit::fail("mlock");
    report(trial);
    trial = {.name = "shared-mapping", .file = fresh_file(folder),
             .mapped = kit::map(page, kit::Size::base, MAP_SHARED | MAP_ANONYMOUS)};
    kit::set_policy(kit::mpol_bind, kit::slow);
    kit::fill(trial.mapped, page);
    kit::set_policy(kit::mpol_default, 0);
    report(trial);
}

void all_refusals(const std::string& folder, const std::string& huge, const std::string& disk) {
    mapped_file("mapped", "mapped-before", folder);
    mapped_file("mapped-disk", "mapped-before-disk", disk);
    in_a_pipe("spliced", folder);
    in_a_pipe("spliced-disk", disk);
    dirty("dirty", folder);
    dirty("dirty-disk", disk);
    missing("beyond-end", folder);
    report({.name = "punched", .file = fresh_file(folder), .kept = false}, EXCHANGE_TEST_PUNCH);
    report({.name = "punched-disk", .file = fresh_file(disk), .kept = false}, EXCHANGE_TEST_PUNCH);
    report({.name = "huge", .file = fresh_file(huge, kit::huge_page / page)});
    report({.name = "pretend-dirty", .file = fresh_file(disk)}, EXCHANGE_TEST_DIRTY);
    report({.name = "pretend-writeback", .file = fresh_file(disk)}, EXCHANGE_TEST_WRITEBACK);
    report({.name = "pretend-unevictable", .file = fresh_file(folder)}, EXCHANGE_TEST_UNEVICTABLE);
    report({.name = "page-locked", .file = fresh_file(folder)}, EXCHANGE_TEST_LOCK_PAGE);
    report({.name = "page-locked-disk", .file = fresh_file(disk)}, EXCHANGE_TEST_LOCK_PAGE);
    report({.name = "page-locked-fresh"}, EXCHANGE_TEST_LOCK_PAGE);
    report({.name = "referenced", .file = fresh_file(folder)}, EXCHANGE_TEST_REFER);
    report({.name = "referenced-disk", .file = fresh_file(disk)}, EXCHANGE_TEST_REFER);
    report({.name = "referenced-fresh"}, EXCHANGE_TEST_REFER);
    mapped_sides(folder);
    report({.name = "good", .file = fresh_file(folder)});
    report({.name = "good-disk", .file = fresh_file(disk)});
    report({.name = "good-fresh"});
    report({.name = "notifier", .file = fresh_file(folder)}, EXCHANGE_TEST_NOTIFIER); // last: the space stays marked
}

} // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    const auto number = [argv](int i) { return strtoul(argv[i], nullptr, 10); };
    if (what == "make" && argc == 5) {
        close(keyed::make(argv[2], number(3), static_cast<int>(number(4))));
        return 0;
    }
    if (what == "trade" && argc == 6)
        return exchange(argv[2], number(3), strcmp(argv[4], "cold") == 0, argv[5]);
    if (what == "move" && argc == 5)
        return exchange(nullptr, number(2), strcmp(argv[3], "cold") == 0, argv[4]);
    if (what == "drop" && argc == 5)
        return exchange_what_is_dropped(argv[2], number(3), number(4));
    if (what == "refusals" && argc == 5) {
        all_refusals(argv[2], argv[3], argv[4]);
        return 0;
    }
    fprintf(stderr, "usage: exchange-loose make|trade|move|drop|refusals ...\n");
    return 2;
}
