// SPDX-License-Identifier: GPL-2.0-or-later
// Files whose content is known, page by page, and where their page cache is: for exchange-loose and its storm.
#ifndef KEYED_FILE_HPP
#define KEYED_FILE_HPP

#include <linux/magic.h>
#include <sys/vfs.h>

#include "kit.hpp"

namespace keyed {

constexpr std::size_t words = kit::page / 8;
using Page = std::array<std::uint64_t, words>;

// The word of a file that begins at the byte; of generation 0 all are zero.
inline std::uint64_t word(std::size_t offset, std::uint64_t generation) {
    return generation ? kit::content(reinterpret_cast<const void*>(offset), generation) : 0;
}

inline void write(int file, std::size_t index, std::uint64_t generation) {
    Page page;
    for (std::size_t i = 0; i < words; ++i)
        page[i] = word(index * kit::page + 8 * i, generation);
    if (pwrite(file, page.data(), kit::page, static_cast<off_t>(index * kit::page)) != static_cast<ssize_t>(kit::page))
        kit::fail("pwrite");
}

// How many words of a page in memory are not of the generation.
inline std::uint64_t wrong(const volatile std::uint64_t* page, std::size_t index, std::uint64_t generation) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < words; ++i)
        sum += page[i] != word(index * kit::page + 8 * i, generation);
    return sum;
}

// The same of a page of the file, by pread(). What cannot be read is wrong.
inline std::uint64_t wrong(int file, std::size_t index, std::uint64_t generation = 1) {
    Page page;
    if (pread(file, page.data(), kit::page, static_cast<off_t>(index * kit::page)) != static_cast<ssize_t>(kit::page))
        return words;
    return wrong(page.data(), index, generation);
}

inline std::uint64_t wrong_in(int file, std::size_t pages) {
    std::uint64_t sum = 0;
    for (std::size_t index = 0; index < pages; ++index)
        sum += wrong(file, index);
    return sum;
}

// at: nullptr for anywhere; else what is mapped there is replaced.
inline void* map(int file, std::size_t first, std::size_t count, void* at = nullptr) {
    void* memory = mmap(at, count * kit::page, PROT_READ, MAP_SHARED | (at ? MAP_FIXED : 0), file,
                        static_cast<off_t>(first * kit::page));
    if (memory == MAP_FAILED)
        kit::fail("mmap of a file");
    return memory;
}

// How many pages of its page cache are on the node. Maps them for a while.
inline std::size_t pages_on(int node, int file, std::size_t pages) {
    auto* memory = static_cast<std::byte*>(map(file, 0, pages));
    for (std::size_t at = 0; at < pages * kit::page; at += kit::page)
        (void)*static_cast<volatile std::byte*>(memory + at);
    const std::size_t on = kit::pages_on(node, memory, pages * kit::page);
    munmap(memory, pages * kit::page);
    return on;
}

// What has to be written to a disk is written, and read again by the caller's policy: clean, and without buffers.
inline void settle(int file, std::size_t first, std::size_t count) {
    Page page;
    if (fsync(file) != 0)
        kit::fail("fsync");
    posix_fadvise(file, static_cast<off_t>(first * kit::page), static_cast<off_t>(count * kit::page), POSIX_FADV_DONTNEED);
    for (std::size_t index = first; index < first + count; ++index)
        if (pread(file, page.data(), kit::page, static_cast<off_t>(index * kit::page)) < 0)
            kit::fail("pread");
}

inline int open(const char* path, int flags = 0) {
    const int file = ::open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (file < 0)
        kit::fail(path);
    return file;
}

inline bool is_on_disk(int file) {
    struct statfs info{};
    if (fstatfs(file, &info) != 0)
        kit::fail("fstatfs");
    return info.f_type != TMPFS_MAGIC;
}

// A file of so many pages of generation 1, all of its page cache on the node.
inline int make(const char* path, std::size_t pages, int node) {
    const int file = open(path, O_CREAT | O_TRUNC);
    kit::set_policy(kit::mpol_bind, node);
    for (std::size_t index = 0; index < pages; ++index)
        write(file, index, 1);
    settle(file, 0, pages);
    kit::set_policy(kit::mpol_default, 0);
    return file;
}

} // namespace keyed

#endif
