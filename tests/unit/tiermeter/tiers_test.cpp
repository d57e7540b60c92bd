// SPDX-License-Identifier: GPL-2.0-or-later
// Tiers from what a machine says of its nodes, and whose a page is.
#include "tiers.h"

#include <criterion/criterion.h>
#include <stdexcept>
#include <string>
#include <vector>

using tiermeter::make_tiers;
using tiermeter::NodeRange;
using tiermeter::TierMap;

namespace {

NodeRange range(std::uint64_t address, std::uint64_t size, std::uint32_t node, int tier = -1,
                std::uint32_t latency = 0) {
    return {.range = {address, size}, .node = node, .tier = tier, .latency = latency};
}

std::vector<std::uint32_t> nodes_of(const std::vector<NodeRange>& ranges) {
    std::vector<std::uint32_t> nodes;
    for (const auto& tier : make_tiers(ranges, {}, {}))
        nodes.push_back(tier.node);
    return nodes;
}

} // namespace

Test(tiers, the_device_decides_before_latency_and_number) {
    using Nodes = std::vector<std::uint32_t>;
    cr_assert(nodes_of({range(0, 4096, 0), range(4096, 4096, 1)}) == Nodes({0, 1}));
    cr_assert(nodes_of({range(0, 4096, 0, -1, 200), range(4096, 4096, 1, -1, 80)}) ==
              Nodes({1, 0}));
    cr_assert(nodes_of({range(0, 4096, 0), range(4096, 4096, 1, -1, 80)}) == Nodes({1, 0}));
    cr_assert(nodes_of({range(0, 4096, 0, 1, 80), range(4096, 4096, 1, 0, 200)}) == Nodes({1, 0}));
    cr_assert(nodes_of({range(0, 4096, 0, -1, 10), range(4096, 4096, 1, 1),
                        range(8192, 4096, 2, 0)}) == Nodes({2, 1, 0}));
}

Test(tiers, a_node_around_a_hole_is_one_tier) {
    const auto tiers = make_tiers(
        {range(0, 0xa0000, 0), range(0x100000, 0x100000, 0), range(0x200000, 4096, 1)}, {}, {});
    cr_assert(tiers.size() == 2);
    cr_assert(tiers[0].ranges.size() == 2);
    const TierMap map(tiers);
    cr_assert(map.of_page(0) == 0);
    cr_assert(map.of_page(0x9f) == 0);
    cr_assert(map.of_page(0xa0) == tiermeter::no_tier);
    cr_assert(map.of_page(0x1ff) == 0);
    cr_assert(map.of_page(0x200) == 1);
    cr_assert(map.of_page(0x201) == tiermeter::no_tier);
    cr_assert(map.of_page(UINT64_MAX >> 12) == tiermeter::no_tier);
    cr_assert(map.end() == 0x201000);
}

Test(tiers, latencies_that_nobody_says) {
    const auto tiers = make_tiers(
        {range(0, 4096, 0), range(4096, 4096, 1), range(8192, 4096, 2, -1, 300)}, {}, {});
    cr_assert(tiers[0].latency == 300);
    cr_assert(tiers[1].latency == tiermeter::slow_latency);
    cr_assert(make_tiers({range(0, 4096, 0)}, {}, {})[0].latency == tiermeter::fast_latency);
}

Test(tiers, the_user_has_the_last_word) {
    const auto tiers =
        make_tiers({range(0, 4096, 0, -1, 80), range(4096, 4096, 1, -1, 200)}, {70}, {0, 1 << 30});
    cr_assert(tiers[0].latency == 70 && tiers[1].latency == 200);
    cr_assert(tiers[0].bandwidth == 0 && tiers[1].bandwidth == 1 << 30);
}

Test(tiers, more_values_than_tiers_are_refused) {
    try {
        (void)make_tiers({range(0, 4096, 0)}, {80, 200}, {});
    } catch (const std::invalid_argument& problem) {
        cr_assert_str_eq(problem.what(), "latency: values for 2 tiers, but the machine has 1");
        return;
    }
    cr_assert_fail("accepted");
}

Test(tiers, a_machine_without_memory_is_refused) {
    cr_assert_throw((void)make_tiers({}, {}, {}), std::invalid_argument);
    std::vector<NodeRange> many;
    for (std::uint32_t node = 0; node < 9; node++)
        many.push_back(range(node * 4096ULL, 4096, node));
    cr_assert_throw((void)make_tiers(many, {}, {}), std::invalid_argument);
}
