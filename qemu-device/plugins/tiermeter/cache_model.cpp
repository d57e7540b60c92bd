// SPDX-License-Identifier: GPL-2.0-or-later
#include "cache_model.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

namespace tiermeter {
namespace {

constexpr std::uint64_t max_sets = std::uint64_t{1} << 24;
constexpr std::size_t host_line = 64; // a set of 16 ways is one of them
constexpr std::uint32_t no_line = UINT32_MAX;

std::uint64_t sets_of(const CacheShape& shape) {
    return shape.size / (std::uint64_t{shape.ways} * shape.line);
}

} // namespace

void check_shape(const CacheShape& shape) {
    if (!std::has_single_bit(shape.line))
        throw std::invalid_argument("llc-line=" + std::to_string(shape.line) +
                                    ": a power of two is allowed");
    const auto sets = sets_of(shape);
    const auto set_size = std::uint64_t{shape.ways} * shape.line;
    if (shape.size % set_size || !std::has_single_bit(sets) || sets > max_sets)
        throw std::invalid_argument(
            "llc-size=" + std::to_string(shape.size) + ": with " + std::to_string(shape.ways) +
            " ways of " + std::to_string(shape.line) + " bytes, " + std::to_string(set_size) +
            " bytes times a power of two up to 16777216 are allowed");
}

void CacheModel::Free::operator()(std::uint32_t* tags) const {
    std::free(tags);
}

CacheModel::CacheModel(const CacheShape& shape)
    : ways_(shape.ways), set_mask_(static_cast<std::uint32_t>(sets_of(shape) - 1)),
      line_bits_(static_cast<unsigned>(std::countr_zero(shape.line))) {
    const auto count = sets_of(shape) * ways_;
    const auto bytes = (count * sizeof(std::uint32_t) + host_line - 1) / host_line * host_line;
    tags_.reset(static_cast<std::uint32_t*>(std::aligned_alloc(host_line, bytes)));
    if (!tags_)
        throw std::bad_alloc();
    std::fill_n(tags_.get(), count, no_line);
}

bool CacheModel::search(std::uint32_t* set, std::uint32_t line) const {
    std::uint32_t way = 1;
    while (way < ways_ && set[way] != line)
        way++;
    const bool found = way < ways_;
    std::memmove(set + 1, set, (found ? way : ways_ - 1) * sizeof(*set));
    set[0] = line;
    return found;
}

} // namespace tiermeter
