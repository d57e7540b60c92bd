// SPDX-License-Identifier: GPL-2.0-or-later
#include "area.hpp"

#include <cerrno>
#include <sys/mman.h>
#include <system_error>

namespace tierload {

Area::Area(std::size_t size, bool huge) : size_(size), huge_(huge) {
    mapped_ = mmap(nullptr, size + huge_page_size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped_ == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "mapping the workload's memory");
    const auto address = reinterpret_cast<std::uintptr_t>(mapped_);
    base_ = static_cast<char*>(mapped_) + (-address & (huge_page_size - 1));
    // A kernel without huge pages refuses both; then there are none, and only `huge` is a failure.
    if (madvise(base_, size_, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0 && huge)
        throw std::system_error(errno, std::generic_category(), "asking for huge pages");
}

Area::~Area() {
    munmap(mapped_, size_ + huge_page_size);
}

} // namespace tierload
