// SPDX-License-Identifier: GPL-2.0-or-later
// policy.h - how fast memory is to be shared out: the policy file (TOML) and what it means
//
//     fast-total = "64G"                # of the host, for all machines together
//     sockets = ["/run/vm/*.qmp"]
//     [[machine]]
//     name = "db*"                      # the first entry that matches a machine counts
//     class = "guaranteed"
//     fast-min = "4G"
//
// docs/tiermemctl.md lists all keys. A file with a mistake is refused as a whole.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "balance/balance.h"
#include "machines/finder.h"

namespace tiermemctl {

// What one machine is to get; what is not said is as the machine's device has it.
struct Rule {
    std::string name; // or a pattern
    std::optional<tiermem::balance::ServiceClass> service_class;
    std::optional<uint32_t> weight;
    std::optional<uint64_t> fast_min, fast_max, fast_base; // bytes
};

struct Policy {
    std::optional<uint64_t> fast_total; // bytes
    std::chrono::milliseconds interval{5000};
    // A machine whose driver is not ready (it boots) may use all of its tier. For so long others
    // are not made to shrink for what it might use, but do not grow into it either.
    std::chrono::milliseconds grace{30000};
    tiermem::balance::Options options;
    Places places;
    std::vector<Rule> rules;

    // The first rule that matches a machine's name, or nullptr.
    [[nodiscard]] const Rule* rule_for(const std::string& machine) const;
};

// Throws BadInput that names the file, the line, what is wrong and what is allowed.
[[nodiscard]] Policy read_policy(const std::string& file);

// "gain", "proportional" or "static"; throws BadInput for anything else.
[[nodiscard]] tiermem::balance::Policy parse_policy(std::string_view text);

// "guaranteed", "burstable" or "best-effort"; throws BadInput for anything else.
[[nodiscard]] tiermem::balance::ServiceClass parse_class(std::string_view text);
[[nodiscard]] std::string class_name(tiermem::balance::ServiceClass service_class);

} // namespace tiermemctl
