// SPDX-License-Identifier: GPL-2.0-or-later
// range_tree.cpp - see range_tree.hpp
#include "range_tree.hpp"

namespace tiermem {

namespace {
// A quarter of the memory for nodes, the rest for page details: 256 KiB is
// enough to count each page of 512 MiB that is not aligned to 2 MiB.
constexpr uint32_t kNodeShare = 4;
constexpr uint32_t kMaxNodes = 4 * 16383 + 1;
constexpr uint32_t kMaxDetails = 0xfffe;
// At most so many of the topmost bits of an address find its node at once.
constexpr unsigned kTopBits = 16;
// Epochs after which a range found even is looked at page by page again.
constexpr uint8_t kEvenEpochs = 120;
// Epochs without heat after which a range may be merged.
constexpr uint16_t kColdEpochs = 4;

constexpr uint8_t older(uint8_t age) { return age >= 254 ? age : static_cast<uint8_t>(age + 1); }
} // namespace

void RangeTree::init(void* memory, uint32_t bytes, unsigned bits) {
    *this = RangeTree{};
    bits_ = bits;
    split_samples_ = kMinSplitSamples;
    const unsigned magnitude = log2_floor(bytes | kMinBytes / 2); // the space's head is not counted
    const unsigned cache_bits = magnitude - 7;
    cache_mask_ = (uint64_t{1} << cache_bits) - 1;
    cache_order_ = kLeafOrder;
    const unsigned top_bits = (magnitude - 8) & ~1U;
    top_shift_ = bits - (top_bits < kTopBits ? top_bits : kTopBits);
    auto* at = static_cast<unsigned char*>(memory);
    uint32_t left = bytes;
    const auto take = [&](uint32_t size) {
        unsigned char* taken = at;
        at += size;
        left -= size;
        return taken;
    };
    cache_ = reinterpret_cast<uint16_t*>(take(2U << cache_bits));
    top_ = reinterpret_cast<uint16_t*>(take(2U << (bits - top_shift_)));
    const auto families = (bytes / kNodeShare / sizeof(Node) - 1) / kFan;
    node_cap_ = static_cast<uint32_t>(families * kFan + 1);
    node_cap_ = node_cap_ < kMaxNodes ? node_cap_ : kMaxNodes;
    nodes_ = reinterpret_cast<Node*>(take(static_cast<uint32_t>(node_cap_ * sizeof(Node))));
    detail_cap_ = static_cast<uint32_t>(left / sizeof(PageDetail));
    detail_cap_ = detail_cap_ < kMaxDetails ? detail_cap_ : kMaxDetails;
    details_ = reinterpret_cast<PageDetail*>(take(static_cast<uint32_t>(detail_cap_ * sizeof(PageDetail))));

    nodes_[0].order = static_cast<uint8_t>(bits);
    nodes_[0].detail = kNone;
    nodes_[0].walk_age = 255;
    nodes_[0].coldest = kNone;
    nodes_[0].ranked = kUnranked;
    node_top_ = 1;
    leaves_ = 1;
    free_families_ = (node_cap_ - 1) / kFan;
    free_detail_ = kNone;
    for (uint32_t d = detail_cap_; d > 0; d--) {
        details_[d - 1].owner = free_detail_;
        free_detail_ = static_cast<uint16_t>(d - 1);
    }
}

// Node i is what find() shall begin with in its part of the address space.
void RangeTree::enter(uint16_t i) {
    const Node& n = nodes_[i];
    if (n.order < top_shift_)
        return;
    const uint64_t first = n.start >> top_shift_;
    const uint64_t count = uint64_t{1} << (n.order - top_shift_);
    for (uint64_t t = first; t < first + count; t++)
        top_[t] = i;
}

// Up while the node is its parent's last child, one to the right, and down.
uint16_t RangeTree::after(uint16_t i) const {
    while (i != 0 && (i - 1U) % kFan == kFan - 1)
        i = nodes_[i].parent;
    if (i == 0)
        return kNone;
    i++;
    while (!nodes_[i].leaf())
        i = nodes_[i].first_child;
    return i;
}

// Look closer where it pays: split, or count page by page.
void RangeTree::refine(uint16_t i, uint64_t addr) {
    const Node& n = nodes_[i];
    if (n.order == kLeafOrder) {
        if (!n.huge && !n.even)
            make_detail(i);
    } else if (free_families_ != 0) {
        split(i);
        cache_[hash(addr)] = find(addr);
    }
}

void RangeTree::split(uint16_t i) {
    uint16_t first = free_family_;
    if (first != 0) {
        free_family_ = nodes_[first].parent;
    } else {
        first = static_cast<uint16_t>(node_top_);
        node_top_ += kFan;
    }
    free_families_--;
    Node& n = nodes_[i];
    const auto order = static_cast<uint8_t>(n.order - 2);
    for (unsigned c = 0; c < kFan; c++) {
        Node& child = nodes_[first + c];
        child = n;
        child.start = n.start + (uint64_t{c} << order);
        child.order = order;
        child.parent = i;
        child.level = n.level.part(2);
        child.fast_pages = n.fast_pages / kFan;
        child.present_pages = n.present_pages / kFan;
        child.walk_age = 255;
        child.mistaken = false;
        child.fruitless = 0;
        child.refused = 0;
        child.stuck = 0;
        child.ranked = kUnranked;
        enter(static_cast<uint16_t>(first + c));
    }
    n.first_child = first;
    n.hottest = 0;
    n.coldest = kNone;
    leaves_ += kFan - 1;
    splits_++;
}

bool RangeTree::mergeable(const Node& n) const {
    if (n.leaf())
        return false;
    for (unsigned c = 0; c < kFan; c++) {
        const Node& child = nodes_[n.first_child + c];
        if (!child.leaf() || child.detail != kNone)
            return false;
    }
    return true;
}

uint64_t RangeTree::family_heat(const Node& n) const {
    uint64_t heat = 0;
    for (unsigned c = 0; c < kFan; c++) {
        const Level& l = nodes_[n.first_child + c].level;
        heat += uint64_t{l.average} + median3(l.now, l.before[0], l.before[1]);
    }
    return heat;
}

void RangeTree::merge(uint16_t i) {
    Node& n = nodes_[i];
    const uint16_t first = n.first_child;
    Level sum{};
    sum.age = 0xffff;
    n.fast_pages = 0;
    n.present_pages = 0;
    n.walk_age = 0;
    n.huge = false;
    n.even = false;
    n.mistaken = false;
    n.blocked = 0;
    n.fruitless = 0;
    n.refused = 0;
    n.stuck = 0;
    for (unsigned c = 0; c < kFan; c++) {
        Node& child = nodes_[first + c];
        sum = sum.plus(child.level);
        n.fast_pages = sat_add(n.fast_pages, child.fast_pages);
        n.present_pages = sat_add(n.present_pages, child.present_pages);
        n.walk_age = child.walk_age > n.walk_age ? child.walk_age : n.walk_age;
        child = Node{};
        child.first_child = kNone;
        child.coldest = kNone;
    }
    n.level = sum;
    n.ranked = kUnranked;
    n.first_child = 0;
    enter(i);
    nodes_[first].parent = free_family_;
    free_family_ = first;
    free_families_++;
    leaves_ -= kFan - 1;
}

// All four are leaves that have been cold for some epochs.
bool RangeTree::cold_family(uint32_t first, uint32_t weight) const {
    for (unsigned c = 0; c < kFan; c++) {
        const Node& child = nodes_[first + c];
        if (child.level.average >= weight || !child.leaf() || child.detail != kNone || child.level.age < kColdEpochs)
            return false;
    }
    return nodes_[first].order != 0;
}

// Merge families with less than about one sample an epoch.
uint32_t RangeTree::merge_cold(uint32_t weight) {
    uint32_t merged = 0;
    for (uint32_t first = 1; first < node_top_; first += kFan) {
        const uint16_t parent = nodes_[first].parent;
        if (cold_family(first, weight) && family_heat(nodes_[parent]) < weight) {
            merge(parent);
            merged++;
        }
    }
    return merged;
}

// Keep an eighth of the families free: merge the coldest ones, and make
// splitting dearer while that is needed, cheaper when there is plenty.
uint32_t RangeTree::merge_for_room() {
    const uint32_t families = (node_cap_ - 1) / kFan;
    if (free_families_ * 4 >= families)
        split_samples_ = split_samples_ / 2 > kMinSplitSamples ? split_samples_ / 2 : kMinSplitSamples;
    if (free_families_ * 8 >= families)
        return 0;
    split_samples_ = split_samples_ < kMaxSplitSamples ? split_samples_ * 2 : split_samples_;
    uint32_t by_octave[66] = {};
    for (uint32_t i = 0; i < node_top_; i++)
        if (nodes_[i].order != 0 && mergeable(nodes_[i])) {
            const uint64_t heat = family_heat(nodes_[i]);
            by_octave[heat == 0 ? 0 : log2_floor(heat) + 1]++;
        }
    uint32_t room = free_families_;
    unsigned limit = 0;
    while (limit < 65 && room * 4 < families)
        room += by_octave[limit++];
    uint32_t merged = 0;
    for (uint32_t i = 0; i < node_top_ && free_families_ * 4 < families; i++) {
        const Node& n = nodes_[i];
        if (n.order == 0 || !mergeable(n))
            continue;
        const uint64_t heat = family_heat(n);
        if ((heat == 0 ? 0 : log2_floor(heat) + 1) < limit) {
            merge(static_cast<uint16_t>(i));
            merged++;
        }
    }
    return merged;
}

void RangeTree::make_detail(uint16_t i) {
    wanted_details_++;
    if (free_detail_ == kNone) {
        details_refused_++;
        return;
    }
    const uint16_t d = free_detail_;
    free_detail_ = details_[d].owner;
    details_[d].reset(i);
    nodes_[i].detail = d;
    nodes_[i].walk_age = 255; // which of its pages are fast is not known
    details_used_++;
    details_made_++;
}

void RangeTree::drop_detail(uint16_t i) {
    Node& n = nodes_[i];
    PageDetail& d = details_[n.detail];
    d.in_use = false;
    d.owner = free_detail_;
    free_detail_ = n.detail;
    n.detail = kNone;
    details_used_--;
}

// When more ranges want page counts than there are blocks: the even ones go,
// then the coldest eighth.
uint32_t RangeTree::drop_details_for_room() {
    if (wanted_details_ == 0 || free_detail_ != kNone) {
        wanted_details_ = 0;
        return 0;
    }
    const uint32_t goal = wanted_details_ < detail_cap_ / 8 + 1 ? wanted_details_ : detail_cap_ / 8 + 1;
    wanted_details_ = 0;
    uint32_t by_octave[33] = {};
    for (uint32_t d = 0; d < detail_cap_; d++)
        by_octave[details_[d].even ? 0 : log2_floor(nodes_[details_[d].owner].level.average) + 1]++;
    uint32_t sum = 0;
    unsigned limit = 0;
    while (limit < 33 && sum < goal)
        sum += by_octave[limit++];
    uint32_t dropped = 0;
    for (uint32_t d = 0; d < detail_cap_ && dropped < goal; d++) {
        const uint16_t owner = details_[d].owner;
        if ((details_[d].even ? 0 : log2_floor(nodes_[owner].level.average) + 1) >= limit)
            continue;
        nodes_[owner].even = details_[d].even;
        nodes_[owner].even_age = 0;
        drop_detail(owner);
        dropped++;
    }
    return dropped;
}

namespace {
// What is known of it for some epochs only.
void grow_older(Node& n) {
    if (n.even) {
        n.even_age++;
        n.even = n.even_age < kEvenEpochs;
    }
    if (n.blocked > 0)
        n.blocked--;
}
} // namespace

[[gnu::always_inline]] inline void RangeTree::settle_leaf(Node& n, uint32_t weight, const EpochLength& length, TreeChange& change) {
    if (!n.level.quiet()) {
        heard_ = sat_add(heard_, n.level.now);
        if (length.scale != EpochLength::kWhole)
            n.level.now = clamp_u32((uint64_t{n.level.now} * length.scale) >> 16);
        if (!known_)
            n.level.begin();
        // What comes in bursts is ranked by its last counts too.
        if (n.level.spread > n.level.average / 2)
            n.ranked = kUnranked;
    }
    if (n.level.settle(weight, length.epochs)) {
        change.changes++;
        n.ranked = kUnranked;
    }
    n.walk_age = older(n.walk_age);
    if ((n.even | n.blocked) != 0)
        grow_older(n);
    if (n.detail != kNone)
        settle_detail(n, weight, change);
    if (n.level.average != 0 && due(n))
        any_due_ = true;
}

void RangeTree::settle_detail(Node& n, uint32_t weight, TreeChange& change) {
    if (details_[n.detail].settle(n.level.raised()))
        change.forgotten++;
    const bool dead = n.level.average < weight / 16 && n.level.age > Level::kLongEpochs;
    if (dead || n.huge) {
        drop_detail(details_[n.detail].owner);
        change.details_dropped++;
    }
}

TreeChange RangeTree::settle(uint32_t weight, const EpochLength& length) {
    TreeChange change{};
    any_due_ = false;
    for (Node& n : *this)
        if (n.leaf())
            settle_leaf(n, weight, length, change);
    known_ = known_ || heard_ != 0;
    fit_cache();
    change.merges = merge_cold(weight) + merge_for_room();
    change.details_dropped += drop_details_for_room();
    return change;
}

// The cache finds leaves by windows of 2 MiB, as hot ranges are isolated, until
// that fails for half of what is heard, as in a large heap that is evenly warm:
// then windows become as large as a leaf that it failed for.
void RangeTree::fit_cache() {
    if (missed_ > heard_ / 2)
        cache_order_ = missed_order_;
    missed_ = 0;
    heard_ = 0;
}

void RangeTree::unrank() {
    for (Node& n : *this)
        n.ranked = kUnranked;
}

void RangeTree::forget(uint64_t start, uint64_t end) {
    for (uint16_t i = covers(start) ? find(start) : kNone; i != kNone && nodes_[i].start < end; i = after(i)) {
        Node& n = nodes_[i];
        if (n.start < start || n.end() > end)
            continue;
        if (n.detail != kNone)
            drop_detail(i);
        n.level = Level{};
        n.ranked = kUnranked;
        n.fast_pages = 0;
        n.present_pages = 0;
        n.walk_age = 255;
    }
}

} // namespace tiermem
