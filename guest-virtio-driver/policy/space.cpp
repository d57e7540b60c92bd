// SPDX-License-Identifier: GPL-2.0-or-later
// space.cpp - see space.hpp
#include "space.hpp"

namespace tiermem {

namespace {
constexpr uint32_t kAbsent = 0xffffffff;

// At most half full, so that probing stays short.
uint32_t bits_for(uint32_t max) { return log2_floor(max) + 2; }
} // namespace

size_t SpaceTable::bytes_for(uint32_t max) {
    return max * sizeof(Space*) + (size_t{1} << bits_for(max)) * sizeof(uint32_t);
}

void SpaceTable::init(void* memory, uint32_t max) {
    slots_ = static_cast<Space**>(memory);
    index_ = reinterpret_cast<uint32_t*>(slots_ + max);
    index_bits_ = bits_for(max);
    max_ = max;
    top_ = 0;
    count_ = 0;
}

uint32_t SpaceTable::home(uint64_t id) const {
    return static_cast<uint32_t>((id * 0x9e3779b97f4a7c15ULL) >> (64 - index_bits_));
}

uint32_t SpaceTable::locate(uint64_t id) const {
    const uint32_t mask = (1U << index_bits_) - 1;
    for (uint32_t i = home(id); index_[i] != 0; i = (i + 1) & mask)
        if (slots_[index_[i] - 1]->id == id)
            return i;
    return kAbsent;
}

Space* SpaceTable::find(uint64_t id) const {
    const uint32_t i = locate(id);
    return i == kAbsent ? nullptr : slots_[index_[i] - 1];
}

void SpaceTable::insert(Space* space) {
    uint32_t slot = 0;
    while (slots_[slot] != nullptr)
        slot++;
    slots_[slot] = space;
    top_ = slot + 1 > top_ ? slot + 1 : top_;
    count_++;
    const uint32_t mask = (1U << index_bits_) - 1;
    uint32_t i = home(space->id);
    while (index_[i] != 0)
        i = (i + 1) & mask;
    index_[i] = slot + 1;
}

Space* SpaceTable::remove(uint64_t id) {
    uint32_t hole = locate(id);
    if (hole == kAbsent)
        return nullptr;
    const uint32_t slot = index_[hole] - 1;
    Space* space = slots_[slot];
    // Close the gap: move back each later entry that may not stay behind it
    // (Knuth, TAOCP volume 3, 6.4, algorithm R).
    const uint32_t mask = (1U << index_bits_) - 1;
    for (uint32_t i = (hole + 1) & mask; index_[i] != 0; i = (i + 1) & mask) {
        const uint32_t wanted = home(slots_[index_[i] - 1]->id);
        if (((i - wanted) & mask) >= ((i - hole) & mask)) {
            index_[hole] = index_[i];
            hole = i;
        }
    }
    index_[hole] = 0;
    slots_[slot] = nullptr;
    count_--;
    while (top_ > 0 && slots_[top_ - 1] == nullptr)
        top_--;
    return space;
}

} // namespace tiermem
