// SPDX-License-Identifier: GPL-2.0-or-later
// A set-associative cache that holds no data: which lines would be in it.
//
// The line that was not used for longest leaves its set. A line is a guest-physical address divided
// by the line's size; the low bits of that select the set, as in a cache without a hash.
//
//   CacheModel cache({.size = 8 << 20, .ways = 16, .line = 64});
//   if (!cache.touch(address >> cache.line_bits())) ... // missed, and is in it now
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <memory>

namespace tiermeter {

constexpr std::uint32_t max_ways = 64;
constexpr std::uint32_t min_line = 16;
constexpr std::uint32_t max_line = 4096;

struct CacheShape {
    std::uint64_t size = 8 << 20; // bytes
    std::uint32_t ways = 16;
    std::uint32_t line = 64; // bytes
};

// Throws std::invalid_argument that names what cannot be and what is allowed.
void check_shape(const CacheShape& shape);

class CacheModel {
public:
    // The shape has been checked.
    explicit CacheModel(const CacheShape& shape);

    [[nodiscard]] unsigned line_bits() const { return line_bits_; }

    // Uses a line: whether it was there. Lines are below 2^32 - 1.
    bool touch(std::uint32_t line) {
        std::uint32_t* const set = &tags_[std::size_t{line & set_mask_} * ways_];
        if (set[0] == line)
            return true;
        return search(set, line);
    }

private:
    // Newest line first, in each set.
    bool search(std::uint32_t* set, std::uint32_t line) const;

    std::uint32_t ways_;
    std::uint32_t set_mask_;
    unsigned line_bits_;
    struct Free {
        void operator()(std::uint32_t* tags) const;
    };
    std::unique_ptr<std::uint32_t[], Free> tags_;
};

} // namespace tiermeter
