// SPDX-License-Identifier: GPL-2.0-or-later
// range_tree.hpp - the heat map of one address space, in fixed memory.
//
// A radix tree with four children a node. Leaves partition the address space:
//
//   order 47  [----------------------------------------------------------]
//   order 45  [-------------][-------------][-------------][--------------]
//   ...
//   order 21                 [..] 2 MiB, the smallest leaf; may own a
//                                 PageDetail that counts its 512 pages
//
// A leaf is split as soon as enough samples fell into it within an epoch, so
// that later samples of the same epoch already see the children: 2 MiB in
// 64 TiB are isolated by about 13 times `split_samples` samples. Four sibling
// leaves that have gone cold are merged at the end of an epoch. When nodes or
// details run out, the coldest are given up first, and splitting gets dearer.
//
// Memory: one block, divided when the space is made; never grows.
#ifndef TIERMEM_POLICY_RANGE_TREE_HPP
#define TIERMEM_POLICY_RANGE_TREE_HPP

#include "level.hpp"
#include "page_detail.hpp"

namespace tiermem {

inline constexpr unsigned kPageShift = 12;
inline constexpr unsigned kLeafOrder = 21;
inline constexpr unsigned kFan = 4;
inline constexpr uint32_t kUnranked = 0xffffffff;
// Epochs after which a hot range is walked again: in general, when samples fell on
// pages that were not there, or elsewhere, and when these seem to be new.
inline constexpr uint8_t kStale = 32;
inline constexpr uint8_t kStaleMissing = 4;
inline constexpr uint8_t kStaleNew = 1;
// Twice as long after each walk that samples gave reason for and that found nothing new:
// memory that can never be moved is left out of walks and sampled for ever.
inline constexpr uint8_t kMostFruitless = 5;
// A range without a detail is left alone for some epochs after so many pages more were refused than moved, and longer
// where that goes on and it is larger than a window.
inline constexpr uint8_t kMostRefused = 64;

struct Node {
    uint64_t start;         // lowest address
    Level level;
    uint32_t fast_pages;    // as last walked, and corrected by moves
    uint32_t present_pages; // as last walked
    uint16_t first_child;   // 0: a leaf; else the first of four; kNone: not in use
    uint16_t parent;
    uint16_t detail;        // block index or kNone
    uint8_t order;          // log2 of the length in bytes
    uint8_t walk_age;       // epochs since the last walk; 255: never
    uint8_t blocked;        // epochs for which moving it is not tried
    bool mistaken;          // without a detail: a sample told of pages that it is not known to have
    uint16_t likely;        // rank of its pages, as of `ranked`; not with a detail
    uint16_t hottest;       // best rank on which a page may be promoted, 0: none; 0 if no leaf
    uint16_t coldest;       // rank of its coldest page, kNone: not known; kNone if no leaf
    uint32_t ranked;        // level.average when the ranks were found, or kUnranked
    bool huge : 1;          // a 2 MiB folio, moved whole
    bool even : 1;          // looked at page by page before, and found even
    uint8_t stuck : 2;      // times that it was left alone since anything was moved, up to 3
    uint8_t even_age;       // epochs since
    uint8_t fruitless;      // walks, one after another, that found nothing new, up to kMostFruitless
    uint8_t refused;        // pages more than moved, up to kMostRefused; not with a detail

    [[nodiscard]] bool leaf() const { return first_child == 0; }
    [[nodiscard]] uint64_t end() const { return start + (uint64_t{1} << order); }
    [[nodiscard]] uint64_t pages() const { return uint64_t{1} << (order - kPageShift); }
    // Whether a page served by `tier` (0, 1 or unknown) is not among those that it is known to have.
    [[nodiscard]] bool lacks(uint8_t tier) const {
        return tier == 1 ? present_pages <= fast_pages : (tier == 0 ? fast_pages == 0 : present_pages == 0);
    }
    // Pages over which its heat is spread, as far as is known; at least 1.
    [[nodiscard]] uint64_t spread() const { return walk_age != 255 && present_pages > 0 ? present_pages : pages(); }
};

// How long an epoch took, by the nominal length of one.
struct EpochLength {
    static constexpr uint32_t kWhole = 65536;

    uint32_t scale = kWhole; // brings its counts to the nominal length (16.16 fixed point)
    uint32_t epochs = 1;     // that it counts as, at least 1

    static constexpr EpochLength of(uint64_t nominal_ns, uint64_t ns) {
        const uint64_t epochs = sat_add(ns, nominal_ns / 2) / nominal_ns;
        return {clamp_u32(mul_div(nominal_ns, kWhole, ns)), epochs == 0 ? 1 : clamp_u32(epochs)};
    }
};

// What one epoch did to a tree.
struct TreeChange {
    uint32_t changes;
    uint32_t forgotten;
    uint32_t merges;
    uint32_t details_dropped;
};

class RangeTree {
  public:
    static constexpr uint32_t kMinBytes = 16 * 1024;
    static constexpr uint32_t kMaxBytes = 64 * 1024 * 1024;
    static constexpr uint32_t kMinSplitSamples = 8;
    static constexpr uint32_t kMaxSplitSamples = 256;

    // Divide `memory` (zeroed, `bytes` of it); `bits` is the address width.
    void init(void* memory, uint32_t bytes, unsigned bits);

    // Count a sample of `weight` accesses, served by `tier` (0, 1 or unknown).
    // False when addr is outside.
    bool record(uint64_t addr, uint32_t weight, uint8_t tier, Rng& rng) {
        uint16_t& cached = cache_[hash(addr)];
        Node* n = &nodes_[cached];
        // Leaves partition the space: a leaf that holds the address is the leaf.
        if (!n->leaf() || ((addr - n->start) >> n->order) != 0) {
            if (!covers(addr))
                return false;
            cached = find(addr);
            n = &nodes_[cached];
            missed_ = sat_add(missed_, weight);
            missed_order_ = n->order;
        }
        n->level.now = sat_add(n->level.now, weight);
        if (n->detail != kNone) {
            details_[n->detail].record(static_cast<unsigned>((addr >> kPageShift) & (kPages - 1)), tier, rng);
            return true;
        }
        n->mistaken |= n->lacks(tier);
        if (n->level.now >= uint64_t{split_samples_} * weight)
            refine(cached, addr);
        return true;
    }

    // End of epoch; `weight` is what a typical sample stands for now.
    TreeChange settle(uint32_t weight, const EpochLength& length);

    // Find all ranks anew at the next ranking.
    void unrank();

    // Forget the heat of whole leaves within [start, end).
    void forget(uint64_t start, uint64_t end);

    // The leaf that holds an address that is covered: from the table of the
    // topmost levels down.
    [[nodiscard]] uint16_t find(uint64_t addr) const {
        uint16_t i = top_[addr >> top_shift_];
        unsigned shift = top_shift_;
        while (!nodes_[i].leaf()) {
            shift -= 2;
            i = static_cast<uint16_t>(nodes_[i].first_child + ((addr >> shift) & 3U));
        }
        return i;
    }
    // The leaf after leaf i in address order, or kNone.
    [[nodiscard]] uint16_t next(uint16_t i) const { return after(i); }
    [[nodiscard]] uint16_t first() const { return find(0); }
    // Nodes ever used: [0, top()); those that are not leaves now are to be skipped.
    [[nodiscard]] uint16_t top() const { return static_cast<uint16_t>(node_top_); }
    // The same nodes for a loop over all of them, of which only those are leaves
    // that say so: what was merged is none.
    [[nodiscard]] Node* begin() { return nodes_; }
    [[nodiscard]] Node* end() { return nodes_ + node_top_; }
    [[nodiscard]] bool is_leaf(uint16_t i) const { return nodes_[i].order != 0 && nodes_[i].leaf(); }
    [[nodiscard]] uint16_t index_of(const Node& n) const { return static_cast<uint16_t>(&n - nodes_); }
    [[nodiscard]] bool covers(uint64_t addr) const { return (addr >> bits_) == 0; }
    [[nodiscard]] uint64_t limit() const { return uint64_t{1} << bits_; }

    Node& node(uint16_t i) { return nodes_[i]; }
    [[nodiscard]] const Node& node(uint16_t i) const { return nodes_[i]; }
    PageDetail* detail(const Node& n) { return n.detail == kNone ? nullptr : &details_[n.detail]; }
    [[nodiscard]] const PageDetail* detail(const Node& n) const {
        return n.detail == kNone ? nullptr : &details_[n.detail];
    }
    // Whether samples told of pages that were not there when it was last walked.
    [[nodiscard]] bool contradicted(const Node& n) const {
        const PageDetail* d = detail(n);
        return d != nullptr ? d->missing != 0 : n.mistaken;
    }
    // A hot 2 MiB range whose pages are to be looked up.
    [[nodiscard]] bool due(const Node& n) const {
        if (n.level.average == 0 || n.walk_age < kStaleNew || n.order != kLeafOrder)
            return false;
        const PageDetail* d = detail(n);
        const bool is_new = d != nullptr ? !d->refused : n.present_pages == 0;
        const unsigned since = (is_new ? kStaleNew : kStaleMissing) << n.fruitless;
        return n.walk_age >= (!contradicted(n) || since > kStale ? kStale : since);
    }
    // Whether there was one when the epoch was settled.
    [[nodiscard]] bool any_due() const { return any_due_; }
    void drop_detail(uint16_t i);

    [[nodiscard]] uint32_t leaves() const { return leaves_; }
    [[nodiscard]] uint32_t details() const { return details_used_; }
    [[nodiscard]] uint32_t detail_capacity() const { return detail_cap_; }
    [[nodiscard]] uint64_t splits() const { return splits_; }
    [[nodiscard]] uint64_t details_made() const { return details_made_; }
    [[nodiscard]] uint64_t details_refused() const { return details_refused_; }

    // Log2 of the windows that the cache tells apart.
    [[nodiscard]] unsigned cache_order() const { return cache_order_; }

    // 0 or the number of the broken invariant, see validate.cpp.
    [[nodiscard]] int validate() const;

  private:
    [[nodiscard]] uint16_t after(uint16_t i) const;
    void refine(uint16_t i, uint64_t addr);
    void enter(uint16_t i);
    void split(uint16_t i);
    void merge(uint16_t i);
    [[nodiscard]] bool mergeable(const Node& n) const;
    [[nodiscard]] uint64_t family_heat(const Node& n) const;
    [[nodiscard]] bool cold_family(uint32_t first, uint32_t weight) const;
    uint32_t merge_cold(uint32_t weight);
    uint32_t merge_for_room();
    uint32_t drop_details_for_room();
    void make_detail(uint16_t i);
    void settle_leaf(Node& n, uint32_t weight, const EpochLength& length, TreeChange& change);
    void settle_detail(Node& n, uint32_t weight, TreeChange& change);
    void fit_cache();
    // Windows that are neighbours never collide; far ones are spread by what is
    // above the first ten bits.
    [[nodiscard]] uint64_t hash(uint64_t addr) const {
        const uint64_t window = addr >> cache_order_;
        return (window ^ (window >> 10)) & cache_mask_;
    }

    Node* nodes_;
    PageDetail* details_;
    uint16_t* cache_; // leaf last seen for a hash of the address; always checked
    uint16_t* top_;   // by the topmost bits: the node of that part, or the larger leaf that holds it
    uint64_t cache_mask_;
    unsigned cache_order_;  // of the windows that the cache tells apart, see fit_cache()
    uint8_t missed_order_;  // of the leaf that was last not found in the cache
    bool any_due_;
    bool known_;            // an epoch has ended in which something was heard
    uint32_t missed_;       // accesses in this epoch of which the leaf was not found there ...
    uint32_t heard_;        // ... and all of them, summed up while settling
    unsigned top_shift_; // order of what an entry of top_ stands for
    unsigned bits_;
    uint32_t node_cap_; // 1 + 4 * families
    uint32_t node_top_; // nodes ever used
    uint32_t detail_cap_;
    uint16_t free_family_; // linked by `parent` of the first node, 0: none
    uint16_t free_detail_; // linked by `owner`
    uint32_t free_families_;
    uint32_t leaves_;
    uint32_t details_used_;
    uint32_t split_samples_;
    uint32_t wanted_details_; // this epoch
    uint64_t splits_;
    uint64_t details_made_;
    uint64_t details_refused_;
};

} // namespace tiermem

#endif
