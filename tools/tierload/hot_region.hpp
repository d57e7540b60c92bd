// SPDX-License-Identifier: GPL-2.0-or-later
// hot_region.hpp - random words, most of them from one region: what gups and its relatives access.
#ifndef TIERLOAD_HOT_REGION_HPP
#define TIERLOAD_HOT_REGION_HPP

#include <cstdint>

#include "random.hpp"

namespace tierload {

// Words [0, words) of which [hot_first, hot_first + hot_words) get a share of the accesses and the
// others get the rest, both evenly. Fewer than 2^32 words.
class HotRegion {
public:
    HotRegion(std::uint64_t words, std::uint64_t hot_first, std::uint64_t hot_words, double share)
        : hot_first_(hot_first), hot_words_(hot_words), cold_words_(words - hot_words),
          limit_(static_cast<std::uint32_t>(share * limit_all)) {}

    std::uint64_t draw(Random& random) const {
        const std::uint64_t r = random.next();
        // The lower bits decide which part, the upper ones where in it.
        if ((r & (limit_all - 1)) < limit_)
            return hot_first_ + Random::below(r, hot_words_);
        const std::uint64_t word = Random::below(r, cold_words_);
        return word < hot_first_ ? word : word + hot_words_;
    }

    void move(std::uint64_t hot_first) { hot_first_ = hot_first; }

private:
    static constexpr std::uint64_t limit_all = 1 << 16;

    std::uint64_t hot_first_;
    std::uint64_t hot_words_;
    std::uint64_t cold_words_;
    std::uint64_t limit_; // of limit_all
};

// Adds to a word by a load and a store of their own, as code does that computes what it writes. (As
// one instruction, an emulator that describes accesses by their address may take the load, which
// can be slow, for the store, which finds the line there.)
inline void update(std::uint64_t& word, std::uint64_t more) {
    std::uint64_t value = word;
    asm volatile("" : "+r"(value));
    word = value + more;
}

} // namespace tierload

#endif
