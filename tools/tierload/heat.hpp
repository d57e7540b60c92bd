// SPDX-License-Identifier: GPL-2.0-or-later
// heat.hpp - the oracle: which pages a workload accesses how often, known from its definition.
#ifndef TIERLOAD_HEAT_HPP
#define TIERLOAD_HEAT_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tierload {

// The share of all accesses that goes to each page of the area.
using Heat = std::vector<float>;

// Adds `share` evenly over the bytes [first, end) of an area; pages that are covered in part get
// their part.
void spread(std::span<float> heat, std::size_t first, std::size_t end, double share);

// Which pages an ideal placement has in fast memory: the hottest `pages`, whole units of
// `unit` pages. Among equals those that `already` are there, then the first ones.
// `already` may be empty; at most heat.size() are chosen.
std::vector<bool> hottest(std::span<const float> heat, std::size_t pages, std::size_t unit,
                          const std::vector<bool>& already = {});

// Neighbouring pages that are chosen, as one range.
struct PageRange {
    std::size_t first;
    std::size_t count;
    double share; // of all accesses
};

// The ranges of chosen pages, the hottest per page first.
std::vector<PageRange> ranges(std::span<const float> heat, const std::vector<bool>& chosen);

// The share of all accesses that goes to the chosen pages; 1 when there is no heat.
double share_of(std::span<const float> heat, const std::vector<bool>& chosen);

} // namespace tierload

#endif
