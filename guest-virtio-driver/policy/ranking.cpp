// SPDX-License-Identifier: GPL-2.0-or-later
// ranking.cpp - see ranking.hpp
#include "ranking.hpp"

namespace tiermem {

namespace {
// Heat is expected to last about as long as it has lasted already (Lindy), with
// a little faith in advance: twice its age and a twelfth of the horizon (five seconds
// of a minute) more. With less, programs that have just begun wait for what is plainly hot;
// with a sixth, streams are followed (docs/policy.md).
uint32_t expected_epochs(uint16_t age, uint32_t horizon) { return 2U * age + 1 + horizon / 12; }
// Ranges whose heat changed within so many epochs are uncertain as a whole.
constexpr uint16_t kYoungEpochs = 3;
// LeafRank::doubt() is never more than this.
constexpr int kMostDoubt = 64;
// A page of a range without detail must be this much hotter, three tenths: that the
// heat of a range is spread evenly is only presumed.
constexpr int kPlainRanks = 6;

// While hardly anything is moved, ranges must be certain by half as many standard errors
// more than while much is: then ranges that differ are still being sorted out, later
// those that come and go, and those that are alike, would take turns.
uint32_t caution(const Horizon& horizon) { return 256 + (kMostStir - horizon.stir) / 2; }

// Of the gamma posterior of a page's count.
uint32_t deviation(uint32_t value) { return sqrt_about(uint64_t{value} * kSampleUnits); }
} // namespace

LeafRank::LeafRank(const Space& space, const Node& node, const PageDetail* detail, const Horizon& horizon)
    : likely_base_(0), certain_base_(0), possible_base_(0), surcharge_(0), dead_(node.level.average == 0), hopeless_(false),
      prior_(detail == nullptr ? 0 : detail->prior), stir_(horizon.stir), detail_(detail != nullptr) {
    const uint64_t parts = detail == nullptr ? node.spread() : detail->weight();
    const int base = kRankBias + space.bias - log16(parts);
    const uint32_t weight = horizon.weights->remembered(node.level.age);
    const uint32_t error = node.level.error(weight);
    const uint32_t confident = node.level.confident(horizon.weights->now(), error, caution(horizon));
    const uint32_t lasting = expected_epochs(node.level.age, horizon.epochs);
    likely_base_ = base + log16(node.level.average);
    possible_base_ = base + log16(node.level.optimistic(weight, error));
    certain_base_ = base + log16(confident);
    // A pair is two copies; what they need is measured for the whole horizon.
    if (lasting < horizon.epochs)
        surcharge_ = 2 * horizon.young_heat * (horizon.epochs - lasting) / lasting;
    hopeless_ = confident == 0;
}

uint16_t LeafRank::likely(uint8_t code) const {
    if (dead_)
        return 0;
    return clamp_rank(detail_ ? likely_base_ + log16(code_value(code) + prior_) : likely_base_);
}

uint16_t LeafRank::possible(uint8_t code) const {
    if (!detail_)
        return clamp_rank(possible_base_);
    // .7 standard deviations above its mean. Caution is worth most on this side: of
    // many pages with few samples each, those that look coldest are mostly unlucky.
    const uint32_t value = code_value(code) + prior_;
    return clamp_rank(possible_base_ + log16(value + clamp_u32(uint64_t{deviation(value)} * 7 / 10)));
}

uint16_t LeafRank::surcharged(int rank) const {
    if (surcharge_ == 0)
        return clamp_rank(rank);
    const uint64_t heat = rank_heat(clamp_rank(rank));
    return heat <= surcharge_ ? uint16_t{0} : clamp_rank(log16(heat - surcharge_));
}

uint16_t LeafRank::certain(uint8_t code) const {
    if (hopeless_)
        return 0;
    if (!detail_)
        return surcharged(certain_base_ - kPlainRanks);
    // Up to .85 standard deviations below its mean while much is being moved: the
    // hottest should move first, and not all that look hot are. When little is left
    // to move, that caution loses more heat than it saves moves (docs/policy.md).
    const uint32_t value = code_value(code) + prior_;
    const auto caution = static_cast<uint32_t>(uint64_t{deviation(value)} * stir_ * 17 / (20 * kMostStir));
    return surcharged(certain_base_ + log16(sat_sub(value, caution)));
}

unsigned LeafRank::first_certain(uint16_t rank) const {
    unsigned low = 0;
    unsigned high = 256;
    while (low < high) {
        const unsigned middle = (low + high) / 2;
        if (certain(static_cast<uint8_t>(middle)) >= rank)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

unsigned LeafRank::end_possible(uint16_t rank) const {
    unsigned low = 0;
    unsigned high = 256;
    while (low < high) {
        const unsigned middle = (low + high) / 2;
        if (possible(static_cast<uint8_t>(middle)) > rank)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int LeafRank::doubt(uint8_t code) const {
    // 16 / ln 2 ranks per unit of relative error, which is 1/sqrt(samples).
    const uint32_t value = code_value(code) + prior_;
    const uint32_t root = sqrt_about(uint64_t{value} * 256 / kSampleUnits); // 16 * sqrt(samples)
    const int doubt = root == 0 ? kMostDoubt : static_cast<int>(369 / root);
    return doubt < kMostDoubt ? doubt : kMostDoubt;
}

void Ranking::clear() {
    // What there is scratch space for is left as it is.
    for (auto* ranks : {&slow_, &fast_, &movable_fast_, &hopeful_})
        __builtin_memset(ranks, 0, sizeof(*ranks));
    heat_ = 0;
    uncertain_ = 0;
}

namespace {
// The ranks of a leaf without detail are found anew when they may have changed:
// while it is young, when its average has moved by half a rank (two ranks, while
// nothing is heard of it), and in every eighth epoch, as certainty grows.
bool is_stale(const Node& node, const Horizon& horizon) {
    const Level& level = node.level;
    if (node.ranked == kUnranked || (level.age & 7U) < horizon.passed || level.age < Level::kShortEpochs)
        return true;
    const uint32_t apart = level.average > node.ranked ? level.average - node.ranked : node.ranked - level.average;
    return apart > node.ranked >> (level.quiet() ? 3U : 5U);
}

[[gnu::noinline]] void rank_leaf(const Space& space, Node& node, const Horizon& horizon) {
    const LeafRank rank(space, node, nullptr, horizon);
    node.likely = rank.likely(0);
    node.hottest = rank.certain(0);
    node.coldest = rank.possible(0);
    node.ranked = node.level.average;
}
} // namespace

// Nothing is known of its heat but that there is none.
[[gnu::always_inline]] inline void Ranking::add_dead(Space& space, Node& node) {
    node.hottest = 0;
    node.coldest = 0;
    node.ranked = kUnranked;
    const uint32_t fast = node.fast_pages;
    if (fast == 0)
        return;
    space.fast_pages += fast;
    fast_[0] += fast;
    if (node.blocked == 0)
        movable_fast_[0] += demotable(fast);
}

[[gnu::always_inline]] inline void Ranking::add_plain(Space& space, Node& node, const Horizon& horizon) {
    if (is_stale(node, horizon))
        rank_leaf(space, node, horizon);
    const uint32_t slow = sat_sub(node.present_pages, node.fast_pages);
    space.fast_pages += node.fast_pages;
    slow_[node.likely] += slow;
    fast_[node.likely] += node.fast_pages;
    if (node.blocked != 0)
        return;
    movable_fast_[node.coldest] += demotable(node.fast_pages);
    hopeful_[node.hottest] += slow;
}

// Most leaves take the way through this function without a call.
[[gnu::always_inline]] inline void Ranking::add_leaf(Space& space, Node& node, const Horizon& horizon) {
    if (node.level.average != 0) {
        heat_ += node.level.average;
        if (node.level.age < kYoungEpochs)
            uncertain_ += node.level.average / 8;
    }
    if (node.detail != kNone) {
        add_detail(space, node, *space.tree.detail(node), horizon);
    } else if (node.walk_age == 255) {
        // What it holds is not known yet.
        node.hottest = 0;
        node.coldest = kNone;
    } else if (node.level.dead()) {
        add_dead(space, node);
    } else {
        add_plain(space, node, horizon);
    }
}

void Ranking::add(Space& space, const Horizon& horizon) {
    // Else pairs would be planned with pages that may not leave, and none be found.
    spared_ = space.spared = space.min_fast != 0 && space.fast_pages <= space.min_fast;
    space.fast_pages = 0;
    for (Node& node : space.tree)
        if (node.leaf())
            add_leaf(space, node, horizon);
}

namespace {
// Count the eight codes in `eight` as slow or fast by the lowest bits of `fast`.
void count_eight(uint16_t (&codes)[256][2], uint64_t eight, uint64_t fast) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; i++) {
        codes[eight & 0xff][fast & 1]++;
        eight >>= 8;
        fast >>= 1;
    }
}
} // namespace

void Ranking::take_count(unsigned c) {
    const uint16_t fast = codes_[c][1];
    const auto all = static_cast<uint16_t>(codes_[c][0] + fast);
    if (all == 0)
        return;
    const auto slow = static_cast<uint16_t>(codes_[c][0] - stuck_[c]);
    counts_[count_++] = {all, fast, slow, static_cast<uint8_t>(c)};
    codes_[c][0] = codes_[c][1] = 0;
}

// One pass over the pages, eight at a time: in cold ranges most have never been
// sampled. Leaves codes_ and stuck_ cleared.
void Ranking::count_codes(const PageDetail& detail) {
    bool any_stuck = false;
    for (unsigned w = 0; w < kPages / 64; w++) {
        const uint8_t* code = &detail.code[size_t{w} * 64];
        uint64_t fast = detail.fast.word[w] & detail.movable.word[w];
        for (unsigned p = 0; p < 64; p += 8, fast >>= 8) {
            uint64_t eight = 0;
            __builtin_memcpy(&eight, code + p, sizeof(eight));
            if (eight != 0) {
                count_eight(codes_, eight, fast);
                continue;
            }
            const unsigned known = count_bits(fast & 0xff);
            codes_[0][0] = static_cast<uint16_t>(codes_[0][0] + 8 - known);
            codes_[0][1] = static_cast<uint16_t>(codes_[0][1] + known);
        }
        uint64_t stuck = ~detail.movable.word[w];
        any_stuck = any_stuck || stuck != 0;
        for (; stuck != 0; stuck &= stuck - 1)
            stuck_[code[__builtin_ctzll(stuck)]]++;
    }
    count_ = 0;
    for (unsigned c = 0; c < 256; c += 2) {
        uint64_t both = 0;
        __builtin_memcpy(&both, codes_[c], sizeof(both));
        if (both == 0)
            continue;
        take_count(c);
        take_count(c + 1);
    }
    if (any_stuck)
        __builtin_memset(stuck_, 0, sizeof(stuck_));
}

// Pages on tier 1 that are likely hot enough and not certain to be, `heat` of
// them in 1/256 accesses: more samples would gain what they have more than the cut.
void Ranking::add_hoped(uint16_t likely, uint64_t heat) {
    const uint64_t own = rank_heat(likely);
    uncertain_ += mul_div(heat >> 8, own - rank_heat(cut_), own);
}

void Ranking::add_code(Node& node, const PageDetail& detail, const LeafRank& rank, const CodeCount& count,
                       uint64_t unit_heat) {
    const uint16_t likely = rank.likely(count.code);
    fast_[likely] += count.fast;
    slow_[likely] += count.all - count.fast;
    if (count.fast != 0) {
        const uint16_t possible = rank.possible(count.code);
        movable_fast_[possible] += demotable(count.fast);
        node.coldest = possible < node.coldest ? possible : node.coldest;
    }
    if (count.slow != 0) {
        const uint16_t certain = rank.certain(count.code);
        hopeful_[certain] += count.slow;
        if (likely > cut_ + 1 && certain <= cut_ + 1)
            add_hoped(likely, count.slow * (code_value(count.code) + detail.prior) * unit_heat);
        node.hottest = certain > node.hottest ? certain : node.hottest;
    }
    const int apart = likely > cut_ ? likely - cut_ : cut_ - likely;
    if (apart >= kMostDoubt)
        return;
    const int doubt = rank.doubt(count.code);
    if (apart < doubt) {
        const uint64_t heat = uint64_t{count.all} * (code_value(count.code) + detail.prior) * unit_heat;
        uncertain_ += (heat >> 8) * static_cast<uint32_t>(doubt - apart) / 64;
    }
}

void Ranking::add_detail(Space& space, Node& node, PageDetail& detail, const Horizon& horizon) {
    count_codes(detail);
    // A stream that is half way through a range has made it uneven for now.
    if (!node.level.bursting())
        detail.study(counts_, count_);
    const LeafRank rank(space, node, &detail, horizon);
    const uint64_t unit_heat = mul_div(node.level.average, 256, detail.weight());
    node.fast_pages = 0;
    node.hottest = 0;
    node.coldest = kNone;
    node.ranked = kUnranked;
    node.present_pages = detail.movable.count();
    for (unsigned i = 0; i < count_; i++) {
        add_code(node, detail, rank, counts_[i], unit_heat);
        node.fast_pages += counts_[i].fast;
    }
    space.fast_pages += node.fast_pages;
}

void Ranking::cut_at(uint64_t quota) {
    unsigned rank = kRanks - 1;
    uint64_t sum = pages(rank);
    while (rank > 0 && sum < quota)
        sum += pages(--rank);
    cut_ = static_cast<uint16_t>(rank);
}

uint32_t Ranking::uncertain_ppm() const {
    constexpr uint32_t kAll = 1000000;
    if (heat_ == 0)
        return kAll; // nothing is known
    const uint64_t ppm = mul_div(uncertain_, kAll, heat_);
    return ppm > kAll ? kAll : static_cast<uint32_t>(ppm);
}

} // namespace tiermem
