// SPDX-License-Identifier: GPL-2.0-or-later
// workloads.hpp - the makers of all workloads; workload_list() says what they are.
#ifndef TIERLOAD_WORKLOADS_HPP
#define TIERLOAD_WORKLOADS_HPP

#include <memory>

#include "workload.hpp"

namespace tierload {

std::unique_ptr<Workload> make_gups(Slice memory, const Settings& settings);
std::unique_ptr<Workload> make_moving_gups(Slice memory, const Settings& settings);
std::unique_ptr<Workload> make_zipf(Slice memory, const Settings& settings);
std::unique_ptr<Workload> make_scan(Slice memory, const Settings& settings);
std::unique_ptr<Workload> make_btree(Slice memory, const Settings& settings);
std::unique_ptr<Workload> make_graph(Slice memory, const Settings& settings);
std::unique_ptr<Workload> make_heap(Slice memory, const Settings& settings);

} // namespace tierload

#endif
