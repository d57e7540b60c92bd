// SPDX-License-Identifier: GPL-2.0-or-later
// area.hpp - the memory that a workload runs in.
#ifndef TIERLOAD_AREA_HPP
#define TIERLOAD_AREA_HPP

#include <cstddef>
#include <cstdint>

namespace tierload {

constexpr std::size_t page_size = 4096;
constexpr std::size_t huge_page_size = std::size_t{2} << 20;
constexpr std::size_t line_size = 64;

// Anonymous private memory, 2 MiB aligned and not yet touched. Unmapped at the end.
class Area {
public:
    // `size` is a multiple of 2 MiB; `huge` asks for transparent huge pages, otherwise they are
    // refused. Throws std::system_error.
    Area(std::size_t size, bool huge);
    ~Area();
    Area(const Area&) = delete;
    Area& operator=(const Area&) = delete;

    [[nodiscard]] char* base() const { return base_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t pages() const { return size_ / page_size; }
    [[nodiscard]] bool huge() const { return huge_; }

private:
    std::size_t size_;
    bool huge_;
    void* mapped_; // huge_page_size more than size_
    char* base_;
};

// A part of an area, whole pages.
struct Slice {
    char* base;
    std::size_t size; // bytes

    template<typename T> [[nodiscard]] T* as() const { return reinterpret_cast<T*>(base); }
    [[nodiscard]] std::size_t pages() const { return size / page_size; }
};

} // namespace tierload

#endif
