// SPDX-License-Identifier: GPL-2.0-or-later
#include "heat.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "area.hpp"

namespace tierload {

void spread(std::span<float> heat, std::size_t first, std::size_t end, double share) {
    if (first >= end)
        return;
    const double per_byte = share / static_cast<double>(end - first);
    for (std::size_t page = first / page_size; page * page_size < end && page < heat.size();
         page++) {
        const std::size_t from = std::max(first, page * page_size);
        const std::size_t to = std::min(end, (page + 1) * page_size);
        heat[page] += static_cast<float>(per_byte * static_cast<double>(to - from));
    }
}

std::vector<bool> hottest(std::span<const float> heat, std::size_t pages, std::size_t unit,
                          const std::vector<bool>& already) {
    struct Unit {
        float heat;
        bool there;
        std::uint32_t index;
    };
    std::vector<Unit> units(heat.size() / unit);
    for (std::uint32_t i = 0; i < units.size(); i++) {
        const auto part = heat.subspan(i * unit, unit);
        units[i] = {std::accumulate(part.begin(), part.end(), 0.0F),
                    !already.empty() && already[i * unit], i};
    }
    const std::size_t count = std::min(pages / unit, units.size());
    const auto middle = units.begin() + static_cast<std::ptrdiff_t>(count);
    std::nth_element(units.begin(), middle, units.end(), [](const Unit& a, const Unit& b) {
        return std::tuple(-a.heat, !a.there, a.index) < std::tuple(-b.heat, !b.there, b.index);
    });
    std::vector<bool> chosen(heat.size());
    for (auto one = units.begin(); one != middle; ++one)
        for (std::size_t page = 0; page < unit; page++)
            chosen[one->index * unit + page] = true;
    return chosen;
}

std::vector<PageRange> ranges(std::span<const float> heat, const std::vector<bool>& chosen) {
    std::vector<PageRange> found;
    for (std::size_t page = 0; page < heat.size(); page++) {
        if (!chosen[page])
            continue;
        if (found.empty() || found.back().first + found.back().count != page)
            found.push_back({page, 0, 0});
        found.back().count++;
        found.back().share += static_cast<double>(heat[page]);
    }
    std::stable_sort(found.begin(), found.end(), [](const PageRange& a, const PageRange& b) {
        return a.share / static_cast<double>(a.count) > b.share / static_cast<double>(b.count);
    });
    return found;
}

double share_of(std::span<const float> heat, const std::vector<bool>& chosen) {
    double all = 0, inside = 0;
    for (std::size_t page = 0; page < heat.size(); page++) {
        all += static_cast<double>(heat[page]);
        inside += chosen[page] ? static_cast<double>(heat[page]) : 0;
    }
    return all > 0 ? inside / all : 1;
}

} // namespace tierload
