// SPDX-License-Identifier: GPL-2.0-or-later
#include "tiers.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

namespace tiermeter {
namespace {

// A node with all of its ranges, and what decides which tier it is.
struct Node {
    Tier tier;
    int told;

    // What the device says; then known latencies, shorter first; then numbers.
    [[nodiscard]] auto order() const {
        return std::tuple(told < 0, told, tier.latency == 0, tier.latency, tier.node);
    }
};

std::vector<Node> gather_nodes(const std::vector<NodeRange>& ranges) {
    std::vector<Node> nodes;
    for (const auto& range : ranges) {
        auto node = std::ranges::find_if(
            nodes, [&](const Node& known) { return known.tier.node == range.node; });
        if (node == nodes.end())
            node = nodes.insert(node, {.tier = {.node = range.node,
                                                .latency = range.latency,
                                                .bandwidth = 0,
                                                .ranges = {}},
                                       .told = range.tier});
        node->tier.ranges.push_back(range.range);
    }
    return nodes;
}

template<class Number>
void override_with(std::vector<Tier>& tiers, Number Tier::*field, const char* name,
                   const std::vector<Number>& values) {
    if (values.size() > tiers.size())
        throw std::invalid_argument(std::string(name) + ": values for " +
                                    std::to_string(values.size()) + " tiers, but the machine has " +
                                    std::to_string(tiers.size()));
    for (std::size_t i = 0; i < values.size(); i++)
        tiers[i].*field = values[i];
}

} // namespace

std::vector<Tier> make_tiers(const std::vector<NodeRange>& ranges,
                             const std::vector<std::uint32_t>& latency,
                             const std::vector<std::uint64_t>& bandwidth) {
    auto nodes = gather_nodes(ranges);
    if (nodes.empty() || nodes.size() > max_tiers)
        throw std::invalid_argument("the machine has " + std::to_string(nodes.size()) +
                                    " NUMA nodes with memory; 1 to " + std::to_string(max_tiers) +
                                    " can be metered");
    std::ranges::stable_sort(nodes, {}, &Node::order);
    std::vector<Tier> tiers;
    for (auto& node : nodes) {
        if (!node.tier.latency)
            node.tier.latency = tiers.empty() ? fast_latency : slow_latency;
        tiers.push_back(std::move(node.tier));
    }
    override_with(tiers, &Tier::latency, "latency", latency);
    override_with(tiers, &Tier::bandwidth, "bandwidth", bandwidth);
    return tiers;
}

std::vector<Tier> make_hypervisor_tiers(const std::vector<NodeRange>& ranges,
                                        const std::vector<std::uint32_t>& latency,
                                        const std::vector<std::uint64_t>& bandwidth) {
    std::vector<Tier> tiers(2);
    tiers[0].latency = fast_latency;
    tiers[1].latency = slow_latency;
    for (const auto& range : ranges)
        tiers[0].ranges.push_back(range.range);
    override_with(tiers, &Tier::latency, "latency", latency);
    override_with(tiers, &Tier::bandwidth, "bandwidth", bandwidth);
    return tiers;
}

TierMap::TierMap(const std::vector<Tier>& tiers) {
    for (std::size_t tier = 0; tier < tiers.size(); tier++) {
        for (const auto& range : tiers[tier].ranges) {
            const auto first = range.address >> page_bits;
            const auto end = (range.address + range.size) >> page_bits;
            if (end > pages_.size())
                pages_.resize(end, no_tier);
            std::fill(pages_.begin() + static_cast<std::ptrdiff_t>(first),
                      pages_.begin() + static_cast<std::ptrdiff_t>(end), static_cast<TierId>(tier));
        }
    }
}

} // namespace tiermeter
