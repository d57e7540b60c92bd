// SPDX-License-Identifier: GPL-2.0-or-later
// Which tier of memory a guest-physical address belongs to.
#pragma once

#include <cstdint>
#include <vector>

namespace tiermeter {

constexpr std::size_t max_tiers = 8; // as the wire format of virtio-tiermem allows
constexpr unsigned page_bits = 12;

using TierId = std::uint8_t;
constexpr TierId no_tier = UINT8_MAX;

struct TierRange {
    std::uint64_t address = 0;
    std::uint64_t size = 0; // bytes
};

// A tier is a NUMA node.
struct Tier {
    std::uint32_t node = 0;
    std::uint32_t latency = 0;   // ns of an access that misses the cache
    std::uint64_t bandwidth = 0; // bytes per second; 0: no limit
    std::vector<TierRange> ranges;
};

// A piece of a node's memory, as the machine tells it.
struct NodeRange {
    TierRange range;
    std::uint32_t node = 0;
    int tier = -1;             // that a virtio-tiermem device gives the node; -1: none
    std::uint32_t latency = 0; // ns; 0: unknown
};

// What a tier has whose latency nobody says: local DRAM, and memory behind CXL.
constexpr std::uint32_t fast_latency = 80;
constexpr std::uint32_t slow_latency = 200;

// The tiers of a machine, fastest first. What `latency` and `bandwidth` say takes the place of what
// the machine says. Throws std::invalid_argument when they say more than there are tiers, or when
// there are too many tiers.
[[nodiscard]] std::vector<Tier> make_tiers(const std::vector<NodeRange>& ranges,
                                           const std::vector<std::uint32_t>& latency,
                                           const std::vector<std::uint64_t>& bandwidth);

// The same where a hypervisor decides which page is fast: all memory is in the first tier's ranges,
// and the second tier has none.
[[nodiscard]] std::vector<Tier> make_hypervisor_tiers(const std::vector<NodeRange>& ranges,
                                                      const std::vector<std::uint32_t>& latency,
                                                      const std::vector<std::uint64_t>& bandwidth);

// By page of 4 KiB. Looking up is a matter of one access to a table of a byte a page.
class TierMap {
public:
    explicit TierMap(const std::vector<Tier>& tiers);

    [[nodiscard]] TierId of_page(std::uint64_t page) const {
        return page < pages_.size() ? pages_[page] : no_tier;
    }
    [[nodiscard]] std::uint64_t end() const { return pages_.size() << page_bits; }

private:
    std::vector<TierId> pages_;
};

} // namespace tiermeter
