// SPDX-License-Identifier: GPL-2.0-or-later
// How long an access to a tier takes.
//
// Its latency, and before that, where the tier has a limit of bandwidth, the time until the tier
// has delivered what was asked of it before: a queue that one line leaves every line / bandwidth.
// An access stalls the vCPU until it is served, so one vCPU alone waits only where that takes
// longer than the latency.
//
// One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tiers.h"

namespace tiermeter {

class TierTiming {
public:
    explicit TierTiming(const Tier& tier) : latency_(tier.latency), bandwidth_(tier.bandwidth) {}

    [[nodiscard]] bool limited() const { return bandwidth_ != 0; }
    [[nodiscard]] std::uint32_t latency() const { return latency_; }

    // Nanoseconds from `now`, which never decreases, until `bytes` are there.
    std::uint64_t serve(std::uint64_t now, std::uint64_t bytes) {
        if (!limited())
            return latency_;
        const std::uint64_t start = std::max(now << fraction_bits, free_);
        free_ = start + transfer(bytes);
        return ((start - (now << fraction_bits)) >> fraction_bits) + latency_;
    }

private:
    // Time of the queue is in 1/1024 ns: exact enough for lines, and 200 days long.
    static constexpr unsigned fraction_bits = 10;

    [[nodiscard]] std::uint64_t transfer(std::uint64_t bytes) const {
        constexpr std::uint64_t second = std::uint64_t{1'000'000'000} << fraction_bits;
        return static_cast<std::uint64_t>(static_cast<__uint128_t>(bytes) * second / bandwidth_);
    }

    std::uint32_t latency_;
    std::uint64_t bandwidth_;
    std::uint64_t free_ = 0; // when what was asked before is delivered
};

} // namespace tiermeter
