// SPDX-License-Identifier: GPL-2.0-or-later
// ranking.hpp - all pages of all address spaces on one scale.
//
// A rank is 16 * log2(accesses per epoch and page) + 128, clamped to 0..511:
// from 1/256 access to 16 million. Two histograms over it:
//   pages   how many pages have this rank, by tier: gives the cut and the curve
//   hopeful pages on tier 1 by the rank on which a promotion may count: from
//           the cautious estimate, less what is needed to repay the copies
//           sooner while the heat is young
// so that a page is demoted by what it possibly is and promoted by what it
// certainly is. That difference is the hysteresis.
#ifndef TIERMEM_POLICY_RANKING_HPP
#define TIERMEM_POLICY_RANKING_HPP

#include "sample_weights.hpp"
#include "space.hpp"

namespace tiermem {

inline constexpr unsigned kRanks = 512;
inline constexpr int kRankBias = 128;

constexpr uint16_t clamp_rank(int rank) {
    return static_cast<uint16_t>(rank < 0 ? 0 : (rank >= static_cast<int>(kRanks) ? kRanks - 1 : rank));
}

// Heat of a rank in 1/256 accesses per epoch and page.
constexpr uint64_t rank_heat(uint16_t rank) { return rank == 0 ? 0 : exp16(rank, 0); }

inline constexpr uint32_t kMostStir = 256;

// Within how many epochs a move must be repaid at the latest, and how hot a page
// must be (1/256 accesses per epoch) to repay one copy in that time.
struct Horizon {
    uint32_t epochs;
    uint64_t copy_heat;
    uint64_t young_heat; // the same half by the configured cost: heat that is young must bring that
    const SampleWeights* weights; // never null; outlives the horizon
    uint32_t passed; // epochs of nominal length since the last ranking
    uint32_t stir = kMostStir; // how much is being moved, to kMostStir; see LeafRank::certain()
};

// Ranks of the pages of one leaf. For a leaf without detail code is ignored.
class LeafRank {
  public:
    LeafRank(const Space& space, const Node& node, const PageDetail* detail, const Horizon& horizon);
    // By what the page probably is.
    [[nodiscard]] uint16_t likely(uint8_t code) const;
    // By what may be counted on; 0: do not promote.
    [[nodiscard]] uint16_t certain(uint8_t code) const;
    // By what is possible: the rank by which a page is demoted.
    [[nodiscard]] uint16_t possible(uint8_t code) const;
    // Smallest code with certain() >= rank; 256: none.
    [[nodiscard]] unsigned first_certain(uint16_t rank) const;
    // Number of codes, from 0 on, with possible() <= rank.
    [[nodiscard]] unsigned end_possible(uint16_t rank) const;
    // Standard deviation of likely(), in ranks.
    [[nodiscard]] int doubt(uint8_t code) const;

  private:
    [[nodiscard]] uint16_t surcharged(int rank) const;

    int likely_base_;
    int certain_base_;
    int possible_base_;
    uint64_t surcharge_; // heat asked for on top because the heat is young
    bool dead_;    // no heat at all
    bool hopeless_; // nothing to count on
    uint32_t prior_;
    uint32_t stir_;
    bool detail_;
};

class Ranking {
  public:
    void clear();
    // Add all leaves of a space; sets their `hottest` and `coldest`, studies
    // their details.
    void add(Space& space, const Horizon& horizon);
    // Place the cut below the `quota` hottest pages.
    void cut_at(uint64_t quota);

    [[nodiscard]] uint16_t cut() const { return cut_; }
    [[nodiscard]] uint64_t pages(unsigned rank) const { return slow_[rank] + fast_[rank]; }
    [[nodiscard]] uint64_t fast(unsigned rank) const { return movable_fast_[rank]; }
    [[nodiscard]] uint64_t hopeful(unsigned rank) const { return hopeful_[rank]; }
    // Accesses an epoch of all that was added.
    [[nodiscard]] uint64_t heat() const { return heat_; }
    // Estimate, in millionths, of the heat that more samples could place better.
    [[nodiscard]] uint32_t uncertain_ppm() const;

  private:
    // Of `pages` of the space that is being added, those that may be demoted.
    [[nodiscard]] uint32_t demotable(uint32_t pages) const { return spared_ ? 0 : pages; }
    void add_leaf(Space& space, Node& node, const Horizon& horizon);
    void add_dead(Space& space, Node& node);
    void add_plain(Space& space, Node& node, const Horizon& horizon);
    void add_detail(Space& space, Node& node, PageDetail& detail, const Horizon& horizon);
    void count_codes(const PageDetail& detail);
    void take_count(unsigned c);
    void add_hoped(uint16_t likely, uint64_t heat);
    void add_code(Node& node, const PageDetail& detail, const LeafRank& rank, const CodeCount& count,
                  uint64_t unit_heat);

    uint64_t slow_[kRanks];
    uint64_t fast_[kRanks];
    uint64_t movable_fast_[kRanks];
    uint64_t hopeful_[kRanks];
    uint16_t codes_[256][2]; // scratch of count_codes(): pages by code, and whether fast and movable ...
    uint16_t stuck_[256];    // ... of the others, those that cannot be moved ...
    CodeCount counts_[256];  // ... and what it found, codes in use only
    unsigned count_;
    uint16_t cut_;
    bool spared_;
    uint64_t heat_;
    uint64_t uncertain_;
};

} // namespace tiermem

#endif
