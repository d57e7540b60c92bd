// SPDX-License-Identifier: GPL-2.0-or-later
// member.h - what the controller knows of one machine
#pragma once

#include <optional>
#include <string>

#include "balance/balance.h"
#include "look.h"
#include "policy.h"

namespace tiermemctl {

struct Member {
    MachinePtr machine;
    std::string incarnation;   // of which the rest is known
    std::optional<View> view;  // the last one; none: it has never answered
    bool reachable = false;    // the last look succeeded
    std::string error;         // why not, or why a change failed; empty: nothing
    uint64_t looked_at_ms = 0; // when `view` was got
    uint64_t obeyed_at_ms = 0; // when its driver was last ready, or when it was first seen
    uint64_t in_flight = 0;    // greatest quota sent since `view`, bytes
    tiermem::balance::Memory memory;

    // What it may use at worst until it is seen to have obeyed, bytes.
    [[nodiscard]] uint64_t reach() const;
    // The guest can do nothing: its driver is not ready, or its memory is still to come.
    [[nodiscard]] bool driverless() const;
    // So for less than `grace`.
    [[nodiscard]] bool in_grace(uint64_t now_ms, std::chrono::milliseconds grace) const;

    void take(const View& seen, uint64_t now_ms);
};

// A member as the balancing function wants it; `view` must be there.
[[nodiscard]] tiermem::balance::Machine for_balance(const Member& member, const Policy& policy,
                                                    uint64_t now_ms);

// Arguments of tiermem-set-qos that make the device say what the policy does; null if it says so
// already. A guaranteed minimum above the quota is left out: the device refuses it until it has
// grown.
[[nodiscard]] json qos_to_set(const Member& member, const Policy& policy);

} // namespace tiermemctl
