// SPDX-License-Identifier: GPL-2.0-or-later
// A B+-tree of 1 KiB nodes that lie in memory in random order, as a tree that has grown by random
// insertions has them. Lookups choose the leaf by Zipf's law, popular leaves are anywhere among
// the keys, and the key in the leaf evenly.
#include <vector>

#include "heat.hpp"
#include "skew.hpp"
#include "workloads.hpp"

namespace tierload {
namespace {

constexpr std::uint64_t fanout = 64;

struct Node {
    std::uint64_t keys[fanout];
    std::uint64_t values[fanout]; // of a leaf; otherwise the children's slots
};

// Nodes of each level, leaves first, of the largest tree with at most so many nodes.
std::vector<std::uint64_t> level_sizes(std::uint64_t nodes) {
    const auto levels_of = [](std::uint64_t leaves) {
        std::vector<std::uint64_t> sizes = {leaves};
        while (sizes.back() > 1)
            sizes.push_back((sizes.back() + fanout - 1) / fanout);
        return sizes;
    };
    std::uint64_t leaves = nodes;
    for (;;) {
        auto sizes = levels_of(leaves);
        std::uint64_t all = 0;
        for (const std::uint64_t size : sizes)
            all += size;
        if (all <= nodes)
            return sizes;
        leaves -= all - nodes;
    }
}

class Btree : public Workload {
public:
    Btree(Slice memory, const Settings& settings)
        : Workload(memory), random_(settings.seed), sizes_(level_sizes(memory.size / sizeof(Node))),
          skew_(sizes_[0], settings.skew), popular_(sizes_[0], settings.seed),
          slot_(memory.size / sizeof(Node), settings.seed + 2) {
        std::uint64_t first = 0;
        for (const std::uint64_t size : sizes_) {
            firsts_.push_back(first);
            first += size;
        }
    }

    void build() override {
        std::uint64_t span = 1; // keys below a node's child
        for (std::size_t level = 0; level < sizes_.size(); level++, span *= fanout)
            for (std::uint64_t index = 0; index < sizes_[level]; index++)
                fill(level, index, span);
    }

    void run(std::uint64_t operations) override {
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < operations; i++) {
            const std::uint64_t leaf = popular_(skew_.draw(random_));
            sum += lookup(leaf * fanout + Random::below(random_.next(), fanout));
        }
        checksum_ += sum;
    }

    void heat(std::span<float> pages, std::size_t, bool) const override {
        std::vector<double> weights(sizes_[0]);
        for (std::uint64_t rank = 0; rank < sizes_[0]; rank++)
            weights[popular_(rank)] = skew_.weight(rank);
        const double visits = static_cast<double>(sizes_.size());
        for (std::size_t level = 0; level < sizes_.size(); level++) {
            for (std::uint64_t index = 0; index < sizes_[level]; index++)
                pages[slot(level, index) * sizeof(Node) / page_size] +=
                    static_cast<float>(weights[index] / visits);
            weights = above(weights);
        }
    }

private:
    [[nodiscard]] std::uint64_t slot(std::size_t level, std::uint64_t index) const {
        return slot_(firsts_[level] + index);
    }

    // Keys are consecutive numbers; a child's key is the first one below it.
    void fill(std::size_t level, std::uint64_t index, std::uint64_t span) {
        Node& node = memory_.as<Node>()[slot(level, index)];
        for (std::uint64_t i = 0; i < fanout; i++) {
            const std::uint64_t child = index * fanout + i;
            const bool there = level == 0 || child < sizes_[level - 1];
            node.keys[i] = there ? child * span : ~std::uint64_t{0};
            node.values[i] = level == 0 ? child : there ? slot(level - 1, child) : 0;
        }
    }

    // The last of the node's keys that is not above `key`, by halving.
    static std::uint64_t position(const Node& node, std::uint64_t key) {
        std::uint64_t found = 0;
        for (std::uint64_t step = fanout / 2; step > 0; step /= 2)
            found += node.keys[found + step] <= key ? step : 0;
        return found;
    }

    [[nodiscard]] std::uint64_t lookup(std::uint64_t key) const {
        const auto* nodes = memory_.as<Node>();
        const Node* node = &nodes[slot(sizes_.size() - 1, 0)];
        for (std::size_t level = sizes_.size() - 1; level > 0; level--)
            node = &nodes[node->values[position(*node, key)]];
        return node->values[position(*node, key)];
    }

    static std::vector<double> above(const std::vector<double>& weights) {
        std::vector<double> sums((weights.size() + fanout - 1) / fanout);
        for (std::size_t i = 0; i < weights.size(); i++)
            sums[i / fanout] += weights[i];
        return sums;
    }

    Random random_;
    std::vector<std::uint64_t> sizes_;  // nodes of each level, leaves first
    std::vector<std::uint64_t> firsts_; // number of the level's first node among all nodes
    Skew skew_;
    Scatter popular_; // rank -> leaf
    Scatter slot_;    // number of a node -> where it lies
};

} // namespace

std::unique_ptr<Workload> make_btree(Slice memory, const Settings& settings) {
    return std::make_unique<Btree>(memory, settings);
}

} // namespace tierload
