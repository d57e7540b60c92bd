// SPDX-License-Identifier: GPL-2.0-or-later
// validate.cpp - every invariant of the core, each with a number of its own.
//
//  1  a child covers its quarter of its parent and points back to it
//  2  the order of a node is between 21 and the address width, in steps of 2
//  3  only a 2 MiB leaf owns page details, and they point back to it
//  4  a detail's `sum` is the sum of the values of its codes
//  5  leaves, used details and free families are counted right
//  6  the free lists hold exactly what is not in use
//  7  pages on tier 0 are no more than pages that are present, and those no
//     more than the range has
//  8  the index finds each space in its slot, and nothing else
//  9  the table of the topmost bits leads to the node of each part, or to the
//     leaf that holds it
// 10  memory held is the sum of what was allocated
#include "policy_state.hpp"

namespace tiermem {

namespace {
bool child_ok(const Node& parent, uint16_t parent_index, const Node& child, unsigned c) {
    const unsigned order = parent.order - 2U;
    return child.order == order && child.parent == parent_index && child.start == parent.start + (uint64_t{c} << order);
}

uint32_t sum_of(const PageDetail& d) {
    uint32_t sum = 0;
    for (const uint8_t code : d.code)
        sum += code_value(code);
    return sum;
}
} // namespace

int RangeTree::validate() const {
    uint32_t leaves = 0;
    uint32_t inner = 0;
    uint32_t details = 0;
    for (uint32_t i = 0; i < node_top_; i++) {
        const Node& n = nodes_[i];
        if (n.order == 0)
            continue;
        if (n.order < kLeafOrder || n.order > bits_ || (bits_ - n.order) % 2 != 0)
            return 2;
        if (!n.leaf()) {
            inner++;
            for (unsigned c = 0; c < kFan; c++)
                if (!child_ok(n, static_cast<uint16_t>(i), nodes_[n.first_child + c], c))
                    return 1;
            if (n.detail != kNone)
                return 3;
            continue;
        }
        leaves++;
        if (n.detail != kNone) {
            details++;
            const PageDetail& d = details_[n.detail];
            if (n.order != kLeafOrder || !d.in_use || d.owner != i)
                return 3;
            if (d.sum != sum_of(d))
                return 4;
        }
        if (n.fast_pages > n.present_pages || n.present_pages > n.pages())
            return 7;
    }
    if (leaves != leaves_ || details != details_used_ || inner + free_families_ != (node_cap_ - 1) / kFan)
        return 5;
    for (uint64_t t = 0; t < uint64_t{1} << (bits_ - top_shift_); t++) {
        const Node& n = nodes_[top_[t]];
        const bool inside = n.order != 0 && ((t << top_shift_) - n.start) >> n.order == 0;
        if (!inside || n.order < top_shift_ || (!n.leaf() && n.order != top_shift_))
            return 9;
    }
    uint32_t unused = (node_cap_ - node_top_) / kFan;
    for (uint16_t f = free_family_; f != 0 && unused <= free_families_; f = nodes_[f].parent)
        unused++;
    uint32_t idle = 0;
    for (uint16_t d = free_detail_; d != kNone && idle <= detail_cap_; d = details_[d].owner)
        idle++;
    return unused == free_families_ && idle + details_used_ == detail_cap_ ? 0 : 6;
}

int SpaceTable::validate() const {
    uint32_t used = 0;
    for (uint32_t i = 0; i < max_; i++) {
        if (slots_[i] == nullptr)
            continue;
        used++;
        if (i >= top_ || find(slots_[i]->id) != slots_[i])
            return 8;
    }
    uint32_t indexed = 0;
    for (uint32_t i = 0; i < (1U << index_bits_); i++)
        indexed += index_[i] != 0 ? 1 : 0;
    return used == count_ && indexed == count_ ? 0 : 8;
}

} // namespace tiermem

int tm_policy_validate(const tm_policy* policy) {
    const int broken = policy->spaces.validate();
    if (broken != 0)
        return broken;
    uint64_t bytes = sizeof(tm_policy) + tiermem::SpaceTable::bytes_for(policy->config.max_spaces);
    for (uint32_t i = 0; i < policy->spaces.top(); i++) {
        const tiermem::Space* space = policy->spaces.slot(i);
        if (space == nullptr)
            continue;
        bytes += space->bytes;
        if (const int wrong = space->tree.validate(); wrong != 0)
            return wrong;
    }
    return bytes == policy->stats.bytes ? 0 : 10;
}
