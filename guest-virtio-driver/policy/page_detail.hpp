// SPDX-License-Identifier: GPL-2.0-or-later
// page_detail.hpp - how the heat of one 2 MiB range is spread over its pages.
//
// Only the pattern is kept here, as counts of samples per page with a long
// memory; how hot the range is as a whole is its node's `level`, which reacts
// fast. The heat of page i is level * (n_i + prior) / (sum + 512 * prior). So a
// region that goes cold or hot is noticed in two epochs, while the pattern in
// it, which takes far more samples to learn, is not thrown away.
//
// A pattern that no longer predicts where the samples fall is noticed too: see
// PageDetail::settle().
#ifndef TIERMEM_POLICY_PAGE_DETAIL_HPP
#define TIERMEM_POLICY_PAGE_DETAIL_HPP

#include "heat_code.hpp"

namespace tiermem {

inline constexpr unsigned kPages = 512;
inline constexpr uint16_t kNone = 0xffff;
// How many samples' worth a page is taken to be like its neighbours (see
// PageDetail::study()): at least 1/4 sample, at most 512.
inline constexpr uint16_t kPriorMin = kSampleUnits / 4;
inline constexpr uint16_t kPriorMax = kSampleUnits * 512;
// Counts are halved when the mean page has this many samples.
inline constexpr uint32_t kFullSamplesPerPage = 64;

// A set of the pages of one window.
struct PageSet {
    uint64_t word[kPages / 64];

    [[nodiscard]] bool test(unsigned page) const { return (word[page / 64] >> (page % 64)) & 1; }
    void set(unsigned page) { word[page / 64] |= uint64_t{1} << (page % 64); }
    void clear(unsigned page) { word[page / 64] &= ~(uint64_t{1} << (page % 64)); }
    void assign(unsigned page, bool on) { on ? set(page) : clear(page); }
    // The first page from `page` on that is set, or that is not; kPages: none.
    [[nodiscard]] unsigned next_set(unsigned page) const { return next(page, 0); }
    [[nodiscard]] unsigned next_clear(unsigned page) const { return next(page, ~uint64_t{0}); }
    [[nodiscard]] unsigned count() const {
        unsigned n = 0;
        for (const uint64_t w : word)
            n += count_bits(w);
        return n;
    }

  private:
    [[nodiscard]] unsigned next(unsigned page, uint64_t flip) const {
        uint64_t mask = ~uint64_t{0} << (page % 64);
        for (unsigned w = page / 64; w < kPages / 64; w++, mask = ~uint64_t{0})
            if (const uint64_t bits = (word[w] ^ flip) & mask; bits != 0)
                return w * 64 + static_cast<unsigned>(__builtin_ctzll(bits));
        return kPages;
    }
};

// How many pages have a code: in all, and movable on tier 0 and on tier 1.
struct CodeCount {
    uint16_t all;
    uint16_t fast;
    uint16_t slow;
    uint8_t code;
};

struct PageDetail {
    uint8_t code[kPages];  // heat_code of each page
    PageSet fast;          // pages known to be on tier 0
    PageSet movable;       // pages that were present, and not refused since
    uint32_t sum;          // of all values, in units
    uint16_t owner;        // node index, or the next free block
    uint32_t seen;         // samples this epoch ...
    uint32_t expected;     // ... and those of them that fell on predicted pages
    uint8_t median;        // half of the heat lies on pages with this code or more
    uint8_t predicted;     // usual share of `expected` in `seen`, 1/256
    bool in_use;
    bool even;             // no page differs from the others by more than chance
    uint8_t missing;       // 1: a sample fell on a page that is not `movable`
    bool doubted;          // the last epoch contradicted the pattern
    bool refused;          // since the last walk: then what is missing may just not be movable
    uint16_t prior;        // units, see study()

    void reset(uint16_t node);
    // Count one sample of page `page`. A sample is a sample, whatever period it
    // was taken with: each tells equally much about the pattern.
    // `tier`: who served it, 0, 1 or unknown.
    void record(unsigned page, uint8_t tier, Rng& rng) {
        uint32_t added = 0;
        const uint8_t before = code[page];
        code[page] = code_count(before, rng, added);
        sum += added;
        seen++;
        expected += before >= median ? 1 : 0;
        const unsigned word = page / 64;
        const uint64_t mask = uint64_t{1} << (page % 64);
        missing |= static_cast<uint8_t>((movable.word[word] & mask) == 0);
        const uint8_t known = (fast.word[word] & mask) == 0 ? 1 : 0;
        if (known != tier && tier <= 1)
            fast.word[word] ^= mask;
    }
    // End of epoch: true when the pattern was found untrue and forgotten.
    // `raised`: there was more heat than is usual, perhaps of something that passes.
    bool settle(bool raised);
    // Halve all counts `times` times.
    void fade(unsigned times);
    // Recompute `median`, `prior` and `even` from the codes in use, ascending.
    void study(const CodeCount* counts, unsigned number);
    // What all pages together weigh; a page weighs code_value() + prior.
    [[nodiscard]] uint32_t weight() const { return sum + kPages * prior; }

};

} // namespace tiermem

#endif
