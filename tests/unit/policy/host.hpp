// SPDX-License-Identifier: GPL-2.0-or-later
// host.hpp - the host services of the tests: they count, and can fail.
#ifndef TESTS_POLICY_HOST_HPP
#define TESTS_POLICY_HOST_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "policy.h"

namespace host {
extern size_t allocations; // alive
extern int allowed;        // allocations before they fail; negative: no limit
} // namespace host

// A machine to be walked: pages by (space, page number), and those of them on tier 0.
struct Machine {
    std::set<std::pair<uint64_t, uint64_t>> present;
    std::set<std::pair<uint64_t, uint64_t>> fast;
    std::set<std::pair<uint64_t, uint64_t>> huge; // windows, by number
    int walks = 0;
    int fail_after = -1; // walks before the callback answers with an error
    bool lie = false;    // answer with a window that was not asked for

    void map(uint64_t space, uint64_t start, uint64_t pages, bool on_fast);
    static int walk(void* context, uint64_t space, uint64_t start, uint64_t end, tm_window* window);
    // Carries out a step as far as it is possible; what the driver reports.
    tm_outcome carry_out(const tm_move& move);
};

#endif
