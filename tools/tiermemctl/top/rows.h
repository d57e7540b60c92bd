// SPDX-License-Identifier: GPL-2.0-or-later
// rows.h - what `top` shows of a machine: two looks at it, and what happened between them
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "machines/device.h"

namespace tiermemctl {

struct Row {
    std::string machine;
    std::string error; // it did not answer; then the rest is empty
    std::string service_class;
    uint32_t weight = 0;
    uint64_t size = 0, quota = 0, actual = 0; // of fast memory, bytes
    std::optional<uint64_t> resident;         // of fast memory, bytes
    uint64_t slow_quota = 0, slow_actual = 0; // of all other tiers, bytes
    std::optional<uint64_t> free;             // of fast memory, as the guest claims
    std::optional<double> fast_share;         // of sampled accesses, 0 to 1
    std::optional<double> promoted, demoted;  // bytes per second
    std::optional<double> cpu;                // part of a CPU spent on tiering
    std::string pressure;                     // what is wrong, in a few words; empty: nothing
};

// Keeps the last statistics of each machine.
class Rows {
public:
    // `now_ms` on any monotonic clock.
    [[nodiscard]] std::vector<Row> update(const std::vector<MachinePtr>& machines,
                                          const std::vector<Outcome<Device>>& devices,
                                          uint64_t now_ms);

private:
    struct Past {
        Statistics stats;
        uint64_t at_ms = 0; // when they came
        Row row;            // with the rates up to then
    };
    static void add_rates(const Device& device, uint64_t now_ms, Past& past, Row& row);

    std::map<std::string, Past> past_; // by where a machine is
};

enum class Order { name, quota, share, promoted };

void sort_rows(std::vector<Row>& rows, Order order);

[[nodiscard]] json rows_as_json(const std::vector<Row>& rows);

} // namespace tiermemctl
