// SPDX-License-Identifier: GPL-2.0-or-later
// replay.hpp - a recorded stream of samples as a workload; see replay.cpp for the
// format of the file.
#ifndef TIERSIM_REPLAY_HPP
#define TIERSIM_REPLAY_HPP

#include "workload.hpp"

namespace tiersim {

// `fast_share` of the pages seen fit into tier 0. Sets `ticks` to its length.
// Throws std::invalid_argument that names file, line and what is wrong.
std::unique_ptr<Workload> make_replay(const std::string& file, double fast_share, uint32_t& ticks);

} // namespace tiersim

#endif
