// SPDX-License-Identifier: GPL-2.0-or-later
#include "workload.hpp"

#include <array>

#include "workloads.hpp"

namespace tierload {
namespace {

constexpr std::array list = {
    WorkloadInfo{"gups", "random updates, most of them in a hot region", "update", false,
                 make_gups},
    WorkloadInfo{"shift", "the same; half way the hot region moves", "update", false,
                 make_moving_gups},
    WorkloadInfo{"zipf", "reads of scattered 4 KiB objects by Zipf's law", "read", false,
                 make_zipf},
    WorkloadInfo{"scan", "reads all memory line by line, and updates a hot region", "access", false,
                 make_scan},
    WorkloadInfo{"btree", "lookups in a B-tree of 1 KiB nodes, leaves by Zipf's law", "lookup",
                 false, make_btree},
    WorkloadInfo{"graph", "passes of PageRank over a graph with power-law degrees", "edge", false,
                 make_graph},
    WorkloadInfo{"heap", "updates in a growing heap whose newest part is hot", "update", false,
                 make_heap},
    WorkloadInfo{"processes", "several processes with hot regions, each slower than the one before",
                 "update", true, make_gups},
};

} // namespace

std::span<const WorkloadInfo> workload_list() {
    return list;
}

const WorkloadInfo* find_workload(const std::string& name) {
    for (const WorkloadInfo& info : list)
        if (info.name == name)
            return &info;
    return nullptr;
}

} // namespace tierload
