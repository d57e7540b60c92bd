// SPDX-License-Identifier: GPL-2.0-or-later
// What the guest programs of the exchanger's tests share: memory on a chosen node with content keyed by address, and
// calls of the test module. An error of the environment ends the program with status 2 and says what failed.
#ifndef EXCHANGE_KIT_HPP
#define EXCHANGE_KIT_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "exchange_test.h"

namespace kit {

constexpr std::size_t page = 4096;
constexpr std::size_t huge_page = 2 << 20;
constexpr int fast = 0, slow = 1;
constexpr int mpol_default = 0, mpol_preferred = 1, mpol_bind = 2; // of linux/mempolicy.h

using Pair = exchange_test_pair;
using Call = exchange_test_call;
using Loose = exchange_test_loose;

[[noreturn]] inline void fail(const char* what) {
    perror(what);
    _exit(2);
}

inline std::uint64_t address(const void* memory) { return reinterpret_cast<std::uint64_t>(memory); }

// The memory policy of this thread.
inline void set_policy(int mode, int node) {
    const unsigned long nodes = 1UL << node;
    if (syscall(SYS_set_mempolicy, mode, mode == mpol_default ? nullptr : &nodes, 8 * sizeof(nodes)) != 0)
        fail("set_mempolicy");
}

enum class Size { base, huge };

// Private anonymous memory aligned to 2 MiB, in pages of one size only; not touched yet.
inline std::byte* map(std::size_t bytes, Size size = Size::base, int flags = MAP_PRIVATE | MAP_ANONYMOUS) {
    const std::size_t all = bytes + huge_page;
    void* memory = mmap(nullptr, all, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    const std::uint64_t start = (address(memory) + huge_page - 1) & ~(huge_page - 1);
    auto* aligned = reinterpret_cast<std::byte*>(start);
    if (flags & MAP_PRIVATE && madvise(aligned, bytes, size == Size::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0)
        fail("madvise");
    return aligned;
}

// The finalizer of splitmix64 (Steele, Lea, Flood, 2014): different for each address and generation.
inline std::uint64_t content(const void* where, std::uint64_t generation) {
    std::uint64_t x = address(where) ^ (generation << 48);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

inline void fill(std::byte* memory, std::size_t bytes, std::uint64_t generation = 1) {
    auto* words = reinterpret_cast<volatile std::uint64_t*>(memory);
    for (std::size_t i = 0; i < bytes / 8; ++i)
        words[i] = content(memory + 8 * i, generation);
}

// How many words are not what fill() wrote.
inline std::uint64_t wrong_words(const std::byte* memory, std::size_t bytes, std::uint64_t generation = 1) {
    const auto* words = reinterpret_cast<const volatile std::uint64_t*>(memory);
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < bytes / 8; ++i)
        wrong += words[i] != content(memory + 8 * i, generation);
    return wrong;
}

// map() and fill() with all pages on one node.
inline std::byte* map_on(int node, std::size_t bytes, Size size = Size::base) {
    std::byte* memory = map(bytes, size);
    set_policy(mpol_bind, node);
    fill(memory, bytes);
    set_policy(mpol_default, 0);
    return memory;
}

// How many of the pages are on the node.
inline std::size_t pages_on(int node, const std::byte* memory, std::size_t bytes) {
    std::vector<void*> pages;
    for (std::size_t at = 0; at < bytes; at += page)
        pages.push_back(const_cast<std::byte*>(memory) + at);
    std::vector<int> status(pages.size());
    if (syscall(SYS_move_pages, 0, pages.size(), pages.data(), nullptr, status.data(), 0) != 0)
        fail("move_pages");
    std::size_t on = 0;
    for (const int found : status)
        on += found == node;
    return on;
}

inline int device() {
    static const int file = [] {
        const int opened = open("/dev/tiermem_exchange_test", O_RDWR);
        if (opened < 0)
            fail("/dev/tiermem_exchange_test");
        return opened;
    }();
    return file;
}

// Page i of one region with page i of the other, of this process.
inline std::vector<Pair> pairs(const std::byte* hot, const std::byte* cold, std::size_t bytes, Size size = Size::base) {
    const std::size_t step = size == Size::huge ? huge_page : page;
    std::vector<Pair> made;
    for (std::size_t at = 0; at < bytes; at += step)
        made.push_back({0, 0, address(hot + at), address(cold + at), size == Size::huge, 0});
    return made;
}

inline Call exchange(std::vector<Pair>& pairs, unsigned trouble = EXCHANGE_TEST_NONE) {
    Call call{};
    call.pairs = address(pairs.data());
    call.nr = static_cast<__u32>(pairs.size());
    call.trouble = trouble;
    if (ioctl(device(), EXCHANGE_TEST_RUN, &call) != 0)
        fail("EXCHANGE_TEST_RUN");
    return call;
}

// `count` pages from `first` of a file (-1: fresh pages of `node`) with those that are mapped from `mapped` on.
inline Loose exchange_loose(int file, int node, std::size_t first, const std::byte* mapped, std::size_t count,
                            bool mapped_is_cold, unsigned trouble = EXCHANGE_TEST_NONE) {
    Loose call{};
    call.file = file;
    call.nid = node;
    call.first = first;
    call.addr = address(mapped);
    call.nr = static_cast<__u32>(count);
    call.mapped_is_cold = mapped_is_cold;
    call.trouble = trouble;
    if (ioctl(device(), EXCHANGE_TEST_LOOSE, &call) != 0)
        fail("EXCHANGE_TEST_LOOSE");
    return call;
}

inline void add(Loose& sum, const Loose& call) {
    for (unsigned i = 0; i < EXCHANGE_TEST_OUTCOMES; ++i)
        sum.outcomes[i] += call.outcomes[i];
    sum.missing += call.missing;
    sum.rebuilt += call.rebuilt;
    sum.zapped += call.zapped;
}

// The outcome's name; empty beyond the last.
inline std::string name(unsigned outcome) {
    exchange_test_name asked{outcome, {}};
    if (ioctl(device(), EXCHANGE_TEST_NAME, &asked) != 0)
        fail("EXCHANGE_TEST_NAME");
    return asked.name;
}

// A line of a program that brings about refusals; `counted` is how often, by the exchanger's own count.
inline void print_case(const char* name_of, unsigned outcome, unsigned long long counted, std::uint64_t wrong, bool same) {
    printf("%s outcome=%s counted=%llu wrong=%llu places=%s\n", name_of, name(outcome).c_str(), counted,
           static_cast<unsigned long long>(wrong), same ? "same" : "changed");
}

// Prints " name=count" for each outcome that has occurred; of a Call or a Loose.
template <class Answer> void print_outcomes(const Answer& call) {
    for (unsigned outcome = 0; outcome < EXCHANGE_TEST_OUTCOMES; ++outcome)
        if (call.outcomes[outcome])
            printf(" %s=%llu", name(outcome).c_str(), call.outcomes[outcome]);
}

inline void write_text(const char* file, const char* text) {
    const int opened = open(file, O_WRONLY);
    if (opened < 0 || write(opened, text, std::char_traits<char>::length(text)) < 0)
        fail(file);
    close(opened);
}

} // namespace kit

#endif
