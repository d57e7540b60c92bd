// SPDX-License-Identifier: GPL-2.0-or-later
// planner.cpp - see planner.hpp
#include "planner.hpp"

namespace tiermem {

namespace {
constexpr uint64_t kWindow = uint64_t{1} << TM_WINDOW_SHIFT;
constexpr uint8_t kBlockedEpochs = 16;
constexpr Place kNowhere{TM_SPACE_NONE, 0, 0};
constexpr uint64_t kFailed = ~uint64_t{0}; // no address

// Walks the two histograms towards each other.
struct Meeting {
    const Ranking& ranking;
    unsigned high = kRanks - 1; // hopeful pages left in this rank ...
    uint64_t hopeful;
    unsigned low = 0; // ... and pages on tier 0 in this one
    uint64_t fast;

    explicit Meeting(const Ranking& r) : ranking(r), hopeful(r.hopeful(kRanks - 1)), fast(r.fast(0)) {}
    bool find_hopeful() {
        while (hopeful == 0 && high > 1)
            hopeful = ranking.hopeful(--high);
        return hopeful != 0 && high > 0;
    }
    bool find_fast() {
        while (fast == 0 && low < kRanks - 1)
            fast = ranking.fast(++low);
        return fast != 0;
    }
};

// Whether a pair of these ranks repays its exchange: two pages are moved. What both
// estimates may be wrong by is in the ranks.
bool worth(unsigned high, unsigned low, const Terms& terms) {
    const uint64_t lost = rank_heat(static_cast<uint16_t>(low));
    return rank_heat(static_cast<uint16_t>(high)) >= sat_add(lost, 2 * terms.copy_heat);
}

// The same with what is idle, which has no heat to lose.
bool worth_with_idle(unsigned high, const Terms& terms) {
    return rank_heat(static_cast<uint16_t>(high)) >= 2 * terms.copy_heat;
}

// Up to `pages` may be demoted for folios of 2 MiB of rank `high` or hotter that find
// only scattered room. Returns how many.
uint64_t allow_for_huge(Goal& goal, Meeting& meet, uint64_t pages, unsigned high, const Terms& terms) {
    uint64_t left = pages;
    while (left > 0 && meet.find_fast() && worth(high, meet.low, terms)) {
        const uint64_t n = lesser(meet.fast, left);
        goal.huge_short += n;
        goal.demote_upto = static_cast<uint16_t>(meet.low);
        left -= n;
        meet.fast -= n;
    }
    return pages - left;
}
} // namespace

Goal find_goal(const Ranking& ranking, const Terms& terms) {
    Goal goal{0, 0, 0, 0, 0, 0, 0, kRanks, 0};
    Meeting meet(ranking);
    uint64_t budget = terms.budget;
    // What is idle goes before what has an address space.
    goal.idle = lesser(lesser(terms.idle_pages, terms.short_pages), budget);
    budget -= goal.idle;
    const uint64_t short_pages = terms.short_pages - goal.idle;
    while (goal.demote_only < short_pages && budget > 0 && meet.find_fast()) {
        const uint64_t n = lesser(lesser(meet.fast, short_pages - goal.demote_only), budget);
        goal.demote_only += n;
        goal.demote_upto = static_cast<uint16_t>(meet.low);
        budget -= n;
        meet.fast -= n;
    }
    while (goal.promote_only < terms.free_pages && budget > 0 && meet.find_hopeful() &&
           rank_heat(static_cast<uint16_t>(meet.high)) >= terms.copy_heat) {
        const uint64_t n = lesser(lesser(meet.hopeful, terms.free_pages - goal.promote_only), budget);
        goal.promote_only += n;
        goal.promote_from = static_cast<uint16_t>(meet.high);
        budget -= n;
        meet.hopeful -= n;
    }
    goal.huge_room = lesser(goal.promote_only, terms.huge_pages);
    budget -= allow_for_huge(goal, meet, lesser(goal.promote_only - goal.huge_room, budget), goal.promote_from, terms);
    unsigned idle_from = kRanks - 1;
    while (budget >= 2 && meet.find_hopeful()) {
        const uint64_t idle_left = terms.idle_pages - goal.idle - goal.idle_trades;
        const bool idle = idle_left > 0;
        if (idle ? !worth_with_idle(meet.high, terms) : !(meet.find_fast() && worth(meet.high, meet.low, terms)))
            break;
        const uint64_t there = idle ? idle_left : meet.fast;
        const uint64_t n = lesser(lesser(meet.hopeful, there), budget / 2);
        goal.promote_from = static_cast<uint16_t>(meet.high);
        budget -= 2 * n;
        meet.hopeful -= n;
        if (idle) {
            goal.idle_trades += n;
            goal.promote_only += n;
            idle_from = meet.high;
        } else {
            goal.pairs += n;
            goal.demote_upto = static_cast<uint16_t>(meet.low);
            meet.fast -= n;
        }
    }
    // Folios of 2 MiB do not fit in the place of idle pages: then they are paired.
    allow_for_huge(goal, meet, goal.idle_trades, idle_from, terms);
    return goal;
}

Runs::Runs(SpaceTable& spaces, Walker& walker, Direction direction, uint16_t rank, uint64_t pages, const Horizon& horizon,
           Place& place)
    : spaces_(spaces), walker_(walker), direction_(direction), rank_(rank), left_(pages), horizon_(horizon), place_(place),
      first_(place), first_leaf_(0), round_(false), unseen_(false), edge_(false), slot_(0), leaf_(kNone), at_(0),
      started_(false), set_{}, window_(0), huge_(false), page_(kPages), entered_(kFailed), seen_{0, 0} {
    const Space* space = first_.slot < spaces.top() ? spaces.slot(first_.slot) : nullptr;
    if (space == nullptr || space->id != first_.space)
        first_ = kNowhere;
    else
        first_leaf_ = space->tree.find(first_.addr);
    begin_pass();
}

void Runs::begin_pass() {
    round_ = false;
    slot_ = first_.slot;
    leaf_ = first_leaf_ == 0 ? kNone : static_cast<uint16_t>(first_leaf_ - 1);
}

bool Runs::pass_over() const { return round_ && (slot_ > first_.slot || slot_ >= spaces_.top()); }

bool Runs::wanted(const Node& node) const {
    const bool promote = direction_ == Direction::kPromote;
    const bool beyond = promote ? node.hottest != 0 && node.hottest + edge_ > rank_
                                : node.coldest != kNone && node.coldest < rank_ + edge_;
    if (!beyond || node.detail != kNone)
        return beyond; // with a detail the ranks are those of pages that can move
    return node.blocked == 0 && (promote ? node.present_pages > node.fast_pages : node.fast_pages != 0);
}

// The next leaf with anything for this pass; false when both passes are over.
bool Runs::next_leaf() {
    for (;;) {
        if (pass_over()) {
            if (edge_) {
                place_ = unseen_ ? place_ : kNowhere;
                return false;
            }
            edge_ = true;
            begin_pass();
            continue;
        }
        if (slot_ >= spaces_.top()) {
            round_ = true;
            slot_ = 0;
            leaf_ = kNone;
            continue;
        }
        Space* space = spaces_.slot(slot_);
        const bool nothing =
            space == nullptr || (direction_ == Direction::kDemote && (space->fast_pages == 0 || space->spared));
        if (!nothing && find_wanted(*space))
            return true;
        slot_++;
        leaf_ = kNone;
    }
}

// The next wanted leaf of this tree, in the order in which nodes are stored.
bool Runs::find_wanted(const Space& space) {
    const RangeTree& tree = space.tree;
    const bool here = slot_ == first_.slot;
    const uint64_t tried = direction_ == Direction::kDemote ? space.tried : 0;
    const uint32_t top = here && round_ ? first_leaf_ : tree.top();
    for (uint32_t i = leaf_ == kNone ? 0 : leaf_ + 1U; i < top; i++) {
        const Node& node = tree.node(static_cast<uint16_t>(i));
        if (!wanted(node))
            continue;
        leaf_ = static_cast<uint16_t>(i);
        if (here && i == first_leaf_ && first_.addr > node.start)
            at_ = first_.addr;
        else
            at_ = tried > node.start && tried < node.end() ? tried : node.start;
        return true;
    }
    return false;
}

namespace {
constexpr uint64_t kEach = 0x0101010101010101; // a byte of one in each byte

// Of the eight bytes in `x`, the high bit of those that are at least `n`, 0 to 256.
uint64_t at_least(uint64_t x, unsigned n) {
    constexpr uint64_t high = 0x80 * kEach;
    if (n > 255)
        return 0;
    const uint64_t all = n * kEach;
    // Without the high bits no difference borrows from the next byte.
    const uint64_t lower = (x | high) - (all & ~high);
    return ((x & ~all) | (~(x ^ all) & lower)) & high;
}

// A bit for each of 64 codes that is at least `from` and below `end`.
uint64_t codes_within(const uint8_t* code, unsigned from, unsigned end) {
    uint64_t bits = 0;
    for (unsigned p = 0; p < 64; p += 8) {
        uint64_t eight = 0;
        __builtin_memcpy(&eight, code + p, sizeof(eight));
        const uint64_t within = at_least(eight, from) & ~at_least(eight, end);
        // Gathers the high bits of the bytes in the top byte of the product.
        bits |= ((within >> 7) * 0x0102040810204080 >> 56) << p;
    }
    return bits;
}
} // namespace

// Pages of a detailed leaf whose rank belongs to this pass.
bool Runs::load_detail(const PageDetail& detail) {
    const Space& space = *spaces_.slot(slot_);
    const Node& node = space.tree.node(leaf_);
    const LeafRank rank(space, node, &detail, horizon_);
    unsigned from = 0;
    unsigned end = 256;
    const auto other = static_cast<uint16_t>(direction_ == Direction::kPromote ? rank_ + 1 : rank_ - 1);
    if (direction_ == Direction::kPromote) {
        from = rank.first_certain(edge_ ? rank_ : other);
        end = edge_ ? rank.first_certain(other) : 256;
    } else {
        from = edge_ && rank_ > 0 ? rank.end_possible(other) : 0;
        end = edge_ ? rank.end_possible(rank_) : (rank_ > 0 ? rank.end_possible(other) : 0);
    }
    bool any = false;
    for (unsigned w = 0; w < kPages / 64; w++) {
        const uint64_t fast = detail.fast.word[w];
        uint64_t bits = detail.movable.word[w] & (direction_ == Direction::kPromote ? ~fast : fast);
        if (bits != 0)
            bits &= codes_within(&detail.code[size_t{w} * 64], from, end);
        set_.word[w] = bits;
        any = any || bits != 0;
    }
    window_ = node.start;
    huge_ = false;
    page_ = 0;
    at_ = node.end();
    return any;
}

// A leaf without detail that one plan has gone over from its start is known: a wrong count
// would be planned with in vain until the hand comes by. (What several plans went over is
// not: what the first have seen they have moved.) When there is nothing left behind
// what was refused, the next plan begins at the start again.
void Runs::leave(Space& space, Node& node) {
    if (at_ < node.end())
        return;
    if (entered_ == node.start && node.order != kLeafOrder)
        note_pages(node, seen_);
    else if (entered_ == space.tried && seen_.fast == 0)
        space.tried = 0;
}

// The next window of a leaf without detail, from the page tables.
bool Runs::load_window(uint64_t from) {
    Space& space = *spaces_.slot(slot_);
    Node& node = space.tree.node(leaf_);
    tm_window window{};
    if (!walker_.can() && !unseen_) {
        unseen_ = true;
        place_ = {space.id, from, slot_};
    }
    const int found = walker_(space.id, from, node.end(), window);
    if (found != 1) {
        if (found == 0 && from == node.start)
            note_empty(space, leaf_);
        at_ = node.end();
        entered_ = found == 0 ? entered_ : kFailed;
        leave(space, node);
        return false;
    }
    at_ = window.start + kWindow;
    seen_.add(count_window(window));
    leave(space, node);
    bool any = false;
    for (unsigned w = 0; w < 8; w++) {
        const uint64_t slow = window.present[w] & ~window.fast[w];
        set_.word[w] = direction_ == Direction::kPromote ? slow : window.fast[w];
        any = any || set_.word[w] != 0;
    }
    window_ = window.start;
    huge_ = window.huge != 0;
    page_ = 0;
    if (node.order == kLeafOrder)
        note_window(space, leaf_, window);
    return any;
}

// A leaf without detail has one rank: all of it belongs to one of the passes.
bool Runs::load_plain() {
    const Node& node = spaces_.slot(slot_)->tree.node(leaf_);
    const uint16_t rank = direction_ == Direction::kPromote ? node.hottest : node.coldest;
    if (edge_ != (rank == rank_)) {
        at_ = node.end();
        return false;
    }
    return load_window(at_);
}

bool Runs::load() {
    for (;;) {
        const bool over = !started_ || leaf_ == kNone || at_ >= spaces_.slot(slot_)->tree.node(leaf_).end();
        if (over) {
            if (!next_leaf())
                return false;
            entered_ = at_;
            seen_ = {0, 0};
        }
        started_ = true;
        Space& space = *spaces_.slot(slot_);
        const PageDetail* detail = space.tree.detail(space.tree.node(leaf_));
        if (detail != nullptr ? load_detail(*detail) : load_plain())
            return true;
    }
}

Run Runs::peek() {
    Run none{TM_SPACE_NONE, 0, 0, false, 0};
    if (left_ == 0)
        return none;
    for (;;) {
        page_ = page_ < kPages ? set_.next_set(page_) : kPages;
        if (page_ < kPages)
            break;
        if (!load()) {
            left_ = 0;
            return none;
        }
    }
    const Space& space = *spaces_.slot(slot_);
    const unsigned end = set_.next_clear(page_);
    const uint64_t pages = huge_ ? kPages : lesser(end - page_, left_);
    return {space.id, window_ + (uint64_t{page_} << kPageShift), static_cast<uint32_t>(pages), huge_, rank_};
}

void Runs::take(uint32_t pages) {
    left_ -= lesser(left_, pages);
    page_ += pages;
}

namespace {
// Zips the two streams. `credit` is room on tier 0 that nobody has taken yet,
// `huge` what of it 2 MiB folios find room in.
class Writer {
  public:
    Writer(Runs& hot, Runs& cold, tm_move* moves, uint32_t max, uint64_t credit, uint64_t huge, uint64_t gain)
        : hot_(hot), cold_(cold), moves_(moves), max_(max), credit_(credit), huge_(huge), gain_(clamp_u32(gain / 256)), count_{} {}

    void make_room(uint64_t pages) {
        while (pages > 0 && count_.moves < max_) {
            const Run cold = cold_.peek();
            if (cold.pages == 0)
                return;
            const auto n = static_cast<uint32_t>(cold.huge ? cold.pages : lesser(cold.pages, pages));
            demote(cold, n);
            pages -= lesser(pages, n);
        }
    }

    void exchange() {
        while (count_.moves < max_ && step()) {
        }
    }

    [[nodiscard]] PlanCount count() const { return count_; }

  private:
    bool step() {
        const Run hot = hot_.peek();
        if (hot.pages == 0)
            return false;
        if (credit_ > 0 && (!hot.huge || huge_ >= kPages)) {
            const auto n = static_cast<uint32_t>(lesser(hot.pages, credit_));
            promote(hot, n);
            credit_ -= n;
            huge_ = lesser(hot.huge ? huge_ - n : huge_, credit_);
            return true;
        }
        const Run cold = cold_.peek();
        if (cold.pages == 0) {
            if (credit_ == 0)
                return false;
            hot_.take(hot.pages); // a 2 MiB folio; there may be base pages behind it
            return true;
        }
        if (hot.huge == cold.huge) {
            pair(hot, cold);
            return true;
        }
        // A 2 MiB folio against base pages cannot be exchanged: first make room.
        demote(cold, cold.pages);
        credit_ += cold.pages;
        huge_ += cold.pages;
        return true;
    }

    void pair(const Run& hot, const Run& cold) {
        const auto n = static_cast<uint32_t>(lesser(hot.pages, cold.pages));
        add({hot.space, hot.addr, cold.space, cold.addr, n, hot.huge ? 1U : 0U, gain_, 0});
        hot_.take(n);
        cold_.take(n);
        count_.promote += n;
        count_.demote += n;
    }
    void promote(const Run& hot, uint32_t n) {
        add({hot.space, hot.addr, TM_SPACE_NONE, 0, n, hot.huge ? 1U : 0U, gain_, 0});
        hot_.take(n);
        count_.promote += n;
    }
    void demote(const Run& cold, uint32_t n) {
        add({TM_SPACE_NONE, 0, cold.space, cold.addr, n, cold.huge ? 1U : 0U, 0, 0});
        cold_.take(n);
        count_.demote += n;
    }
    void add(const tm_move& move) { moves_[count_.moves++] = move; }

    Runs& hot_;
    Runs& cold_;
    tm_move* moves_;
    uint32_t max_;
    uint64_t credit_;
    uint64_t huge_;
    uint32_t gain_;
    PlanCount count_;
};
} // namespace

PlanCount write_plan(SpaceTable& spaces, Walker& walker, const Goal& goal, const Horizon& horizon, Places& places,
                     tm_move* moves, uint32_t max) {
    Runs hot(spaces, walker, Direction::kPromote, goal.promote_from, goal.promote_only + goal.pairs, horizon,
             places.promote);
    Runs cold(spaces, walker, Direction::kDemote, goal.demote_upto, goal.demote_only + goal.huge_short + goal.pairs,
              horizon, places.demote);
    const uint64_t gain = sat_sub(rank_heat(clamp_rank(goal.promote_from)), rank_heat(goal.demote_upto));
    Writer writer(hot, cold, moves, max, goal.promote_only, goal.huge_room, gain);
    writer.make_room(goal.demote_only);
    writer.exchange();
    return writer.count();
}

namespace {
// A page here and there that is pinned must not keep the rest of a range, which may be
// gigabytes, from being moved.
void note_refused(Node& n, uint32_t moved, uint32_t stuck) {
    if (moved > stuck)
        n.stuck = 0;
    const uint32_t refused = sat_sub(n.refused + stuck, moved);
    n.refused = static_cast<uint8_t>(lesser(refused, kMostRefused));
    // What else the same plan has of it is refused by the same right.
    if (n.refused < kMostRefused || n.blocked != 0)
        return;
    n.refused = 0;
    // What is small may be moved as a whole as soon as there is room, or a lock is given back.
    const bool large = n.order > kLeafOrder;
    n.blocked = static_cast<uint8_t>(kBlockedEpochs << (large ? n.stuck : 0));
    if (n.stuck < 3)
        n.stuck++;
}

bool bit(const uint64_t (&words)[8], uint32_t i) { return ((words[i / 64] >> (i % 64)) & 1) != 0; }
} // namespace

void note_moved(Space& space, uint64_t addr, uint32_t pages, const uint64_t (&done)[8], const uint64_t (&refused)[8],
                Direction direction) {
    Node& n = space.tree.node(space.tree.find(addr));
    PageDetail* d = space.tree.detail(n);
    const bool to_fast = direction == Direction::kPromote;
    const auto first = static_cast<unsigned>((addr >> kPageShift) % kPages);
    uint32_t moved = 0;
    uint32_t stuck = 0;
    for (unsigned p = 0; p < pages && first + p < kPages; p++) {
        moved += bit(done, p) ? 1 : 0;
        stuck += bit(refused, p) ? 1 : 0;
        if (d != nullptr && bit(done, p)) {
            d->fast.assign(first + p, to_fast);
        } else if (d != nullptr && bit(refused, p)) {
            d->movable.clear(first + p);
            d->refused = true;
        }
    }
    n.fast_pages = to_fast ? sat_add(n.fast_pages, moved) : sat_sub(n.fast_pages, moved);
    n.fast_pages = n.fast_pages < n.present_pages ? n.fast_pages : n.present_pages;
    if (d != nullptr)
        return;
    note_refused(n, moved, stuck);
    // The rest of a large range, from the next window on, has its turn when this one's is over.
    if (!to_fast && stuck > moved && n.order > kLeafOrder)
        space.tried = (addr + (uint64_t{pages} << kPageShift) + kWindow - 1) & ~(kWindow - 1);
}

} // namespace tiermem
