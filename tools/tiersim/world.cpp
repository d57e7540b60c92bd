// SPDX-License-Identifier: GPL-2.0-or-later
// world.cpp - see world.hpp
#include "world.hpp"

#include <algorithm>

namespace tiersim {

void World::add_area(uint64_t space, uint64_t start, uint32_t count) {
    areas_.push_back({space, start, pages(), count});
    tier_.resize(tier_.size() + count, kAbsent);
}

const Area& World::area_of(uint32_t page) const {
    const auto after = std::upper_bound(areas_.begin(), areas_.end(), page,
                                        [](uint32_t p, const Area& a) { return p < a.first; });
    return *(after - 1);
}

uint64_t World::address(uint32_t page) const {
    const Area& a = area_of(page);
    return a.start + (page - a.first) * kPageBytes;
}

uint64_t World::space(uint32_t page) const { return area_of(page).space; }

int64_t World::page_at(uint64_t space, uint64_t address) const {
    const auto after = std::upper_bound(areas_.begin(), areas_.end(), std::pair(space, address),
                                        [](const std::pair<uint64_t, uint64_t>& key, const Area& a) {
                                            return key < std::pair(a.space, a.start);
                                        });
    if (after == areas_.begin())
        return -1;
    const Area& a = *(after - 1);
    if (a.space != space || address >= a.start + a.count * kPageBytes)
        return -1;
    return static_cast<int64_t>(a.first + (address - a.start) / kPageBytes);
}

uint64_t World::next_mapped(uint64_t space, uint64_t address) const {
    for (const Area& a : areas_)
        if (a.space == space && address < a.start + a.count * kPageBytes)
            return std::max(address, a.start);
    return ~uint64_t{0};
}

void World::touch(uint32_t page) {
    if (tier_[page] != kAbsent)
        return;
    touched_++;
    tier_[page] = fast_free() > 0 ? kFast : kSlow;
    fast_used_ += tier_[page] == kFast ? 1 : 0;
}

bool World::promote(uint32_t page) {
    if (tier_[page] != kSlow || fast_free() == 0)
        return false;
    tier_[page] = kFast;
    fast_used_++;
    copies_++;
    promotions_++;
    return true;
}

bool World::demote(uint32_t page) {
    if (tier_[page] != kFast)
        return false;
    tier_[page] = kSlow;
    fast_used_--;
    copies_++;
    return true;
}

bool World::exchange(uint32_t slow, uint32_t fast) {
    if (tier_[slow] != kSlow || tier_[fast] != kFast)
        return false;
    tier_[slow] = kFast;
    tier_[fast] = kSlow;
    copies_ += 2;
    exchanges_++;
    promotions_++;
    return true;
}

} // namespace tiersim
