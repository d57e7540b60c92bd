// SPDX-License-Identifier: GPL-2.0-or-later
#include "settings.hpp"

#include <fmt/format.h>
#include <stdexcept>

#include "area.hpp"
#include "guest.hpp"
#include "workload.hpp"

namespace tierload {
namespace {

constexpr std::size_t size_max = std::size_t{16} << 30; // word numbers stay below 2^32

void require(bool holds, const std::string& text) {
    if (!holds)
        throw std::invalid_argument(text);
}

} // namespace

void check(const Settings& s) {
    std::string names;
    for (const WorkloadInfo& info : workload_list())
        names += fmt::format("{}{}", names.empty() ? "" : ", ", info.name);
    const WorkloadInfo* info = find_workload(s.workload);
    require(info != nullptr,
            fmt::format("workload '{}' is unknown; there are: {}", s.workload, names));
    require(s.size >= 4 * huge_page_size && s.size <= size_max && s.size % huge_page_size == 0,
            fmt::format("--size {}: a multiple of 2M from 8M to 16G is allowed", s.size));
    require(s.hot >= page_size && s.hot % page_size == 0 && s.hot <= s.size / 4,
            fmt::format("--hot {}: a multiple of 4K from 4K to a quarter of --size ({}) is allowed",
                        s.hot, s.size / 4));
    require(
        !info->several || s.processes <= s.size / (4 * huge_page_size),
        fmt::format("--processes {}: each takes at least 8M of --size {}", s.processes, s.size));
    require(s.interval <= s.seconds,
            fmt::format("--interval {}: at most --seconds {} is allowed", s.interval, s.seconds));
    require(s.fast_node != s.slow_node,
            fmt::format("--slow-node {}: it is the fast node, too", s.slow_node));
}

void check_fits(const Settings& s) {
    const std::size_t all = available_memory();
    require(s.size <= all,
            fmt::format("--size {}: this machine has {} bytes available", s.size, all));
    if (s.place == Place::none)
        return;
    for (const auto& [place, node] :
         {std::pair(Place::fast, s.fast_node), {Place::slow, s.slow_node}}) {
        const std::size_t free = node_free(node);
        require(s.place != place || s.size <= free,
                fmt::format("--size {}: node {} has {} bytes free, and all shall be placed there",
                            s.size, node, free));
    }
    require(s.fast_bytes <= node_free(s.fast_node),
            fmt::format("--fast-bytes {}: node {} has {} bytes free", s.fast_bytes, s.fast_node,
                        node_free(s.fast_node)));
}

} // namespace tierload
