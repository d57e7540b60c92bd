// SPDX-License-Identifier: GPL-2.0-or-later
// Memory whose content is known, and what programs do to memory: for the chaos programs.
#ifndef REGION_HPP
#define REGION_HPP

#include <algorithm>
#include <atomic>
#include <random>
#include <sys/wait.h>
#include <thread>

#include "kit.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace chaos {

constexpr std::size_t words = kit::page / 8;

struct Tally {
    std::atomic<std::uint64_t> checked, wrong, collapsed;
};

// Memory of one worker, of pages of one size. A page's content is known by its generation: 0 is zero.
class Region {
public:
    Region(kit::Size size, std::size_t bytes, std::uint64_t key)
        : size_(size), key_(key), bytes_(bytes), memory_(kit::map(bytes_, size)), spare_(kit::map(bytes_, size)),
          generations_(bytes_ / kit::page) {}

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

    // As after MADV_FREE, when the kernel may take the page at any time.
    [[nodiscard]] bool right_or_zero(std::size_t index) const {
        const volatile std::uint64_t* page = at(index);
        for (std::size_t i = 0; i < words; ++i) {
            const std::uint64_t word = page[i];
            if (word != 0 && word != expected(index, i, generations_[index]))
                return false;
        }
        return true;
    }

    // May be refused: that is part of it. Whether it was done.
    bool advise(std::size_t first, std::size_t count, int advice) {
        const bool done = madvise(at(first), count * kit::page, advice) == 0;
        if (advice == MADV_DONTNEED)
            forget(first, count);
        return done;
    }

    void map_anew() {
        if (mmap(memory_, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            kit::fail("mmap");
        madvise(memory_, bytes_, size_ == kit::Size::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
        forget(0, pages());
    }

    // Nothing is mapped there for a moment.
    void unmap(std::size_t first, std::size_t count) {
        if (munmap(at(first), count * kit::page) != 0)
            kit::fail("munmap");
        std::this_thread::yield();
        if (mmap(at(first), count * kit::page, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at(first))
            kit::fail("mmap");
        madvise(at(first), count * kit::page, size_ == kit::Size::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
        forget(first, count);
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
    // The pages are zero now.
    void forget(std::size_t first, std::size_t count) {
        std::fill_n(generations_.begin() + static_cast<std::ptrdiff_t>(first), count, 0);
    }

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

inline void check(const Region& region, std::size_t index, Tally& tally) {
    ++tally.checked;
    if (region.right(index))
        return;
    if (tally.wrong++ < 5)
        fprintf(stderr, "wrong: page %zu of %p\n", index, static_cast<void*>(region.memory()));
}

// A child verifies its copy of some pages while the parent writes to its own.
inline void fork_and_check(Region& region, std::size_t first, std::size_t count, Tally& tally) {
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
inline unsigned huge_disturbance(std::mt19937& random) {
    constexpr std::array<unsigned, 8> choice{0, 0, 0, 3, 3, 4, 6, 11};
    return choice[random() % choice.size()];
}

inline void disturb(Region& region, std::mt19937& random, Tally& tally, bool huge_only) {
    const std::size_t first = random() % region.pages();
    const std::size_t count = std::min<std::size_t>(1 + random() % 64, region.pages() - first);
    switch (huge_only ? huge_disturbance(random) : random() % 12) {
    case 0:
    case 1:
        region.advise(first, count, MADV_DONTNEED);
        return;
    case 2:
        region.advise(0, region.pages(), MADV_DONTNEED);
        return;
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
        tally.collapsed += region.advise(0, region.pages(), MADV_COLLAPSE);
        return;
    case 9:
        region.advise(first, count, MADV_PAGEOUT);
        return;
    default:
        return fork_and_check(region, first, count, tally);
    }
}

} // namespace chaos

#endif
