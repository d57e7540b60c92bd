// SPDX-License-Identifier: GPL-2.0-or-later
// policy.cpp - the C face: arguments are checked here, and the parts called in
// order. See policy.h for what each call promises.
#include "policy.h"

#include "curve.hpp"
#include "host_services.h"
#include "period.hpp"
#include "planner.hpp"
#include "policy_state.hpp"

namespace tiermem {
namespace {

constexpr uint64_t kSecond = 1000000000;

bool config_ok(const tm_policy_config& c) {
    return c.tiers == 2 && c.max_spaces >= 1 && c.max_spaces <= SpaceTable::kMaxSpaces &&
           c.space_bytes >= RangeTree::kMinBytes && c.space_bytes <= RangeTree::kMaxBytes &&
           (c.address_bits == 47 || c.address_bits == 57) && c.epoch_ms >= 10 && c.epoch_ms <= 60000 &&
           c.period_min >= 1 && c.period_max >= c.period_min && c.sample_cost_ns >= 1 && c.move_cost_ns >= 1 &&
           c.move_cost_ns <= kSecond && c.access_gain_ns >= 1 && c.access_gain_ns <= 1000000 &&
           c.horizon_ms >= c.epoch_ms && c.walk_windows >= 16 && c.doubt_milli >= 1 &&
           c.calm_doubt_milli >= 1;
}

bool input_ok(const tm_policy& p, const tm_epoch_input& in) {
    return in.now_ns > p.last_ns && in.cpu_permille <= 1000 && in.qos_class <= TM_CLASS_BEST_EFFORT &&
           in.move_cost_ns <= kSecond && in.shrinking <= 1;
}

uint64_t epoch_ns(const tm_policy& p) { return uint64_t{p.config.epoch_ms} * 1000000; }

// Until anything is heard: dense, so that what begins is seen at once; a CPU that does
// nothing but miss its caches pays half a percent for it.
constexpr uint32_t kStartPeriod = 127;

// Promoted in a second, in millionths of the quota: from here on much is being moved.
constexpr uint64_t kMuchPpm = 18000;

uint32_t stir(const tm_policy& p) {
    return static_cast<uint32_t>(p.stir_ppm < kMuchPpm ? p.stir_ppm * kMostStir / kMuchPpm : kMostStir);
}

Horizon horizon(const tm_policy& p) {
    const uint32_t epochs = p.config.horizon_ms / p.config.epoch_ms;
    const auto heat = [&](uint32_t cost_ns) { return uint64_t{cost_ns} * 256 / p.config.access_gain_ns / epochs + 1; };
    const uint32_t young_ns = (p.move_cost_ns + p.config.move_cost_ns) / 2;
    return {epochs, heat(p.move_cost_ns), heat(young_ns), &p.weights, p.unplanned, stir(p)};
}

uint32_t sample_weight(const tm_policy& p) {
    return p.epoch_samples == 0 ? p.period : clamp_u32(p.epoch_accesses / p.epoch_samples);
}

void settle_trees(tm_policy& p, uint64_t length_ns, tm_epoch_result& result) {
    const EpochLength length = EpochLength::of(epoch_ns(p), length_ns);
    p.epochs = length.epochs;
    p.weights.note(sample_weight(p), length.epochs);
    p.unplanned = sat_add(p.unplanned, length.epochs);
    for (uint32_t i = 0; i < p.spaces.top(); i++) {
        Space* space = p.spaces.slot(i);
        if (space == nullptr)
            continue;
        const TreeChange change = space->tree.settle(p.weights.now(), length);
        result.changes += change.changes;
        p.stats.merges += change.merges;
        p.stats.details_dropped += change.details_dropped;
        p.stats.forgotten += change.forgotten;
    }
    p.steady = result.changes == 0 ? sat_add(p.steady, length.epochs) : 0;
}

void rank_spaces(tm_policy& p) {
    p.ranking.clear();
    for (uint32_t i = 0; i < p.spaces.top(); i++)
        if (Space* space = p.spaces.slot(i); space != nullptr)
            p.ranking.add(*space, horizon(p));
    p.ranking.cut_at(p.quota_pages);
}

uint64_t all_free(const tm_epoch_input& in) { return sat_add(in.fast_free, in.fast_waiting) >> kPageShift; }

// No more is kept free.
uint64_t most_reserve(const tm_policy& p) { return p.quota_pages / 16; }

// What new pages took since the last epoch. What there was before the first is not new.
void note_demand(tm_policy& p, const tm_epoch_input& in) {
    if (p.last_ns == 0)
        return;
    const uint64_t taken = in.shrinking != 0 ? 0 : sat_sub(p.free_expected, all_free(in));
    const uint64_t made = in.new_bytes >> kPageShift;
    p.demand.note(taken > made ? taken : made, most_reserve(p));
}

// Enough free pages for twice what is expected of an epoch; at least what the caller
// wants. Programs take memory in bursts, of which two may come before the next
// epoch has made room; and what waits on the lists of CPUs that do not need it counts
// as free.
uint64_t wanted_reserve(const tm_policy& p, const tm_epoch_input& in) {
    const uint64_t most = most_reserve(p);
    const uint64_t demand = sat_mul(p.demand.expected(), 2);
    const uint64_t wanted = demand < most ? demand : most;
    const uint64_t asked = in.fast_reserve >> kPageShift;
    return wanted > asked ? wanted : asked;
}

Terms make_terms(const tm_policy& p, const tm_epoch_input& in, uint64_t length_ns) {
    Terms terms{};
    const uint64_t bandwidth = in.qos_class == TM_CLASS_BEST_EFFORT ? in.bandwidth / 2 : in.bandwidth;
    terms.budget = mul_div(bandwidth, length_ns, kSecond) >> kPageShift;
    const uint64_t free_pages = in.fast_free >> kPageShift;
    const uint64_t reserve = wanted_reserve(p, in);
    const uint64_t spare = sat_sub(all_free(in), reserve);
    terms.free_pages = spare < free_pages ? spare : free_pages;
    terms.short_pages = sat_sub(reserve, all_free(in));
    terms.idle_pages = in.fast_idle >> kPageShift;
    terms.huge_pages = in.fast_free_huge >> kPageShift;
    terms.copy_heat = horizon(p).copy_heat;
    return terms;
}

// All that happened in the epoch, lost samples included.
uint64_t all_accesses(const tm_policy& p, const tm_epoch_input& in) {
    return sat_add(p.epoch_accesses, sat_mul(in.lost_samples, p.period));
}

// A mean with a memory of kPaceEpochs (two seconds of the driver's epochs), or
// what comes after nothing.
void note_pace(tm_policy& p, const tm_epoch_input& in, uint64_t length_ns) {
    constexpr uint32_t kPaceEpochs = 8;
    const uint64_t now = mul_div(all_accesses(p, in), epoch_ns(p), length_ns);
    const uint32_t part = p.pace != 0 && p.epochs < kPaceEpochs ? p.epochs : kPaceEpochs;
    const uint64_t apart = now > p.pace ? now - p.pace : p.pace - now;
    const uint64_t step = mul_div(apart, part, kPaceEpochs);
    p.pace = now > p.pace ? p.pace + step : p.pace - step;
}

// A mean with a memory of four epochs in which enough was known.
void note_served(tm_policy& p) {
    constexpr uint32_t kEnough = 8;
    if (p.epoch_known < kEnough)
        return;
    const auto slow = static_cast<uint32_t>((p.epoch_known - p.epoch_fast) * 1000 / p.epoch_known);
    p.slow_milli = p.slow_known ? (3 * p.slow_milli + slow) / 4 : slow;
    p.slow_known = true;
}

// Time of programs that the busiest of the last epochs would take less if all were fast.
uint64_t possible_gain_ns(const tm_policy& p) {
    if (!p.slow_known)
        return ~uint64_t{0};
    return sat_mul(mul_div(p.busy_accesses, p.slow_milli, 1000), p.config.access_gain_ns);
}

// A mean with a memory of kStirEpochs.
void note_stir(tm_policy& p, uint64_t promoted, uint64_t length_ns) {
    constexpr uint32_t kStirEpochs = 16;
    const uint32_t part = p.unplanned < kStirEpochs ? p.unplanned : kStirEpochs;
    const uint64_t share = p.quota_pages == 0 ? 0 : mul_div(promoted, 1000000, p.quota_pages);
    const uint64_t now = mul_div(share, kSecond, length_ns);
    const uint64_t sum = sat_add(uint64_t{p.stir_ppm} * (kStirEpochs - part), sat_mul(now, part));
    p.stir_ppm = clamp_u32(sum / kStirEpochs);
}

// Ranking takes most of the time of an epoch. While hardly anything is moved and
// nothing has changed, every second epoch goes without; in the end all of two seconds (of
// the driver's epochs). A change is confirmed, and acted upon, in the epochs that follow it.
bool may_rest(const tm_policy& p, const tm_epoch_input& in) {
    constexpr uint32_t kLongRest = 8;
    constexpr uint32_t kSteady = 4;
    constexpr uint64_t kSame = 256; // a part of the quota: the kernel, too, takes and gives
    const uint64_t quota = in.fast_quota >> kPageShift;
    const uint64_t apart = quota > p.quota_pages ? quota - p.quota_pages : p.quota_pages - quota;
    const bool rested = p.stir_ppm < kMuchPpm / 8 ? p.unplanned >= kLongRest : p.planned_ns != p.last_ns;
    return p.planned_ns != 0 && !rested && p.steady >= kSteady && p.stir_ppm < kMuchPpm / 2 &&
           all_free(in) >= wanted_reserve(p, in) && apart <= p.quota_pages / kSame;
}

// Plans of a shrink, one after another, that find nothing.
constexpr unsigned kMostLooks = 64;

// So many times what the budget pays for: what begins may take that once.
constexpr uint64_t kFarMore = 4;

void choose_period(tm_policy& p, const tm_epoch_input& in, uint64_t length_ns) {
    PeriodTerms terms{};
    // By the busiest of the last epochs: an idle one must not make the next
    // busy one exceed the budget. But when a program has filled its memory and
    // turns to work, samples are needed at once.
    const uint64_t accesses = all_accesses(p, in);
    const uint64_t faded = p.busy_accesses / 2;
    p.busy_accesses = accesses > faded ? accesses : faded;
    terms.accesses = p.busy_accesses;
    terms.epoch_ns = length_ns;
    terms.cpu_permille = in.qos_class == TM_CLASS_BEST_EFFORT ? in.cpu_permille / 2 : in.cpu_permille;
    terms.gain_ns = possible_gain_ns(p);
    terms.uncertain_ppm = p.ranking.uncertain_ppm();
    terms.stir = stir(p);
    terms.current = p.period;
    p.period = next_period(p.config, terms);
    p.many_samples = affordable_samples(p.config, epoch_ns(p), terms.cpu_permille) * kFarMore;
}

// Copies are allowed by the epoch: a rest does not save them up.
void plan(tm_policy& p, const tm_epoch_input& in, uint64_t length_ns, Walker& walker, tm_move* moves,
          uint32_t max_moves, tm_epoch_result& result) {
    const uint64_t since_ns = p.planned_ns == 0 ? epoch_ns(p) : in.now_ns - p.planned_ns;
    p.planned_ns = in.now_ns;
    p.quota_pages = in.fast_quota >> kPageShift;
    p.move_cost_ns = in.move_cost_ns == 0 ? p.config.move_cost_ns : in.move_cost_ns;
    rank_spaces(p);
    const Goal goal = find_goal(p.ranking, make_terms(p, in, length_ns));
    p.given_up = goal.demote_upto;
    const PlanCount written = write_plan(p.spaces, walker, goal, horizon(p), p.places, moves, max_moves);
    note_stir(p, written.promote, since_ns);
    p.unplanned = 0;
    result.moves = written.moves;
    result.idle_pages = goal.idle;
    result.idle_trades = goal.idle_trades;
    result.promote_pages = written.promote;
    result.demote_pages = written.demote;
}

void start_epoch(tm_policy& p, uint64_t now_ns) {
    p.last_ns = now_ns;
    p.epoch_samples = 0;
    p.epoch_accesses = 0;
    p.epoch_fast = 0;
    p.epoch_known = 0;
    p.next_limit = p.many_samples;
}

void free_spaces(tm_policy& p) {
    for (uint32_t i = 0; i < p.spaces.top(); i++)
        tm_host_free(p.spaces.slot(i));
}

void side_moved(tm_policy& p, uint64_t id, uint64_t addr, uint32_t pages, const uint64_t (&done)[8],
                const uint64_t (&refused)[8], Direction direction) {
    Space* space = p.spaces.find(id);
    if (space == nullptr || !space->tree.covers(addr))
        return; // gone meanwhile, or never there
    note_moved(*space, addr, pages, done, refused, direction);
}

constexpr tm_outcome all_done() {
    tm_outcome outcome{};
    for (uint64_t& word : outcome.done)
        word = ~uint64_t{0};
    return outcome;
}

uint32_t count_done(const tm_move& move, const uint64_t (&words)[8]) {
    uint32_t done = 0;
    for (uint32_t i = 0; i < move.pages; i++)
        done += (words[i / 64] >> (i % 64)) & 1;
    return done;
}

tm_range describe(const Node& n) {
    tm_range r{};
    r.start = n.start;
    r.end = n.end();
    r.heat = n.level.average;
    r.fast_pages = n.fast_pages;
    r.present_pages = n.present_pages;
    r.age = n.level.age;
    r.detail = n.detail == kNone ? 0 : 1;
    return r;
}

} // namespace
} // namespace tiermem

using namespace tiermem;

void tm_policy_config_default(tm_policy_config* config) {
    *config = tm_policy_config{};
    config->tiers = 2;
    config->max_spaces = 1024;
    config->space_bytes = 256 * 1024;
    config->address_bits = 47;
    config->epoch_ms = 500;
    config->period_min = 61;
    config->period_max = 65535;
    config->sample_cost_ns = 60;
    config->move_cost_ns = 18000;
    config->access_gain_ns = 120;
    config->horizon_ms = 60000;
    config->walk_windows = 256;
    config->doubt_milli = 1;
    config->calm_doubt_milli = 1;
    config->seed = 1;
}

void tm_policy_config_guest(tm_policy_config* config) {
    tm_policy_config_default(config);
    // Of a sample, from the source to the core: about 200 instructions and some lines
    // that no cache holds any more when samples come. As measured by tiermeter.
    config->sample_cost_ns = 500;
    // .6 percent of an epoch's time at 24 us each (tiermeter), and 512 MiB/s of
    // address space.
    config->walk_windows = 64;
    config->doubt_milli = 16;
    config->calm_doubt_milli = 64;
}

int tm_policy_create(const tm_policy_config* config, tm_policy** policy) {
    if (config == nullptr || policy == nullptr || !config_ok(*config))
        return TM_ERR_ARGUMENT;
    const size_t bytes = sizeof(tm_policy) + SpaceTable::bytes_for(config->max_spaces);
    auto* p = static_cast<tm_policy*>(tm_host_alloc(bytes));
    if (p == nullptr)
        return TM_ERR_MEMORY;
    p->config = *config;
    p->rng = Rng(config->seed);
    p->spaces.init(p + 1, config->max_spaces);
    p->move_cost_ns = config->move_cost_ns;
    p->stir_ppm = 1000000; // nothing is placed yet
    p->period = limited_period(*config, kStartPeriod);
    p->stats.bytes = bytes;
    *policy = p;
    return 0;
}

void tm_policy_destroy(tm_policy* policy) {
    if (policy == nullptr)
        return;
    free_spaces(*policy);
    tm_host_free(policy);
}

int tm_policy_space_add(tm_policy* policy, uint64_t space, uint32_t bytes) {
    const uint32_t size = bytes == 0 ? policy->config.space_bytes : bytes;
    if (space == TM_SPACE_NONE || size < RangeTree::kMinBytes || size > RangeTree::kMaxBytes)
        return TM_ERR_ARGUMENT;
    if (policy->spaces.find(space) != nullptr)
        return TM_ERR_EXISTS;
    if (policy->spaces.full())
        return TM_ERR_LIMIT;
    auto* s = static_cast<Space*>(tm_host_alloc(size));
    if (s == nullptr)
        return TM_ERR_MEMORY;
    s->id = space;
    s->bytes = size;
    s->tree.init(s + 1, size - static_cast<uint32_t>(sizeof(Space)), policy->config.address_bits);
    policy->spaces.insert(s);
    policy->stats.bytes += size;
    return 0;
}

int tm_policy_space_remove(tm_policy* policy, uint64_t space) {
    Space* s = policy->spaces.remove(space);
    if (s == nullptr)
        return TM_ERR_ABSENT;
    if (policy->last_space == s)
        policy->last_space = nullptr;
    policy->gone_splits += s->tree.splits();
    policy->gone_details += s->tree.details_made();
    policy->gone_refused += s->tree.details_refused();
    policy->stats.bytes -= s->bytes;
    tm_host_free(s);
    return 0;
}

int tm_policy_space_qos(tm_policy* policy, uint64_t space, uint32_t weight, uint64_t min_fast) {
    Space* s = policy->spaces.find(space);
    if (s == nullptr)
        return TM_ERR_ABSENT;
    if (weight < 1 || weight > 4096)
        return TM_ERR_ARGUMENT;
    s->bias = log16(weight) - log16(16);
    s->tree.unrank();
    s->min_fast = min_fast >> kPageShift;
    return 0;
}

int tm_policy_unmap(tm_policy* policy, uint64_t space, uint64_t start, uint64_t end) {
    Space* s = policy->spaces.find(space);
    if (s == nullptr)
        return TM_ERR_ABSENT;
    if (start > end || !s->tree.covers(start))
        return TM_ERR_ARGUMENT;
    s->tree.forget(start, end);
    return 0;
}

uint32_t tm_policy_samples(tm_policy* policy, const tm_sample* samples, uint32_t count) {
    tm_policy& p = *policy;
    Space* space = p.last_space;
    uint64_t id = space == nullptr ? TM_SPACE_NONE : space->id;
    uint32_t dropped = 0;
    uint64_t accesses = 0;
    uint64_t fast = 0;
    uint64_t known = 0;
    for (const tm_sample* s = samples; s != samples + count; s++) {
        // Samples of one space come in runs.
        if (s->space != id || id == TM_SPACE_NONE) {
            space = p.spaces.find(s->space);
            id = space == nullptr ? TM_SPACE_NONE : space->id;
            if (space == nullptr) {
                p.stats.samples_unknown++;
                dropped++;
                continue;
            }
        }
        if (s->weight == 0 || !space->tree.record(s->addr, s->weight, s->tier, p.rng)) {
            p.stats.samples_rejected++;
            dropped++;
            continue;
        }
        accesses += s->weight;
        fast += s->tier == TM_TIER_FAST ? 1 : 0;
        known += s->tier <= TM_TIER_SLOW ? 1 : 0;
    }
    const uint32_t taken = count - dropped;
    p.last_space = space;
    p.epoch_accesses = sat_add(p.epoch_accesses, accesses);
    p.epoch_fast += fast;
    p.epoch_known += known;
    p.epoch_samples = sat_add(p.epoch_samples, taken);
    p.stats.samples += taken;
    return taken;
}

uint32_t tm_policy_period_now(tm_policy* policy) {
    tm_policy& p = *policy;
    // Nothing is known of budgets before the first epoch has ended.
    if (p.last_ns != 0 && p.epoch_samples >= p.next_limit) {
        p.next_limit = sat_add<uint64_t>(p.epoch_samples, p.many_samples / 2);
        p.period = limited_period(p.config, uint64_t{p.period} * 2 + 1);
    }
    return p.period;
}

int tm_policy_epoch(tm_policy* policy, const tm_epoch_input* input, tm_walk_fn walk, void* context, tm_move* moves,
                    uint32_t max_moves, tm_epoch_result* result) {
    tm_policy& p = *policy;
    if (input == nullptr || result == nullptr || (moves == nullptr && max_moves > 0) || !input_ok(p, *input))
        return TM_ERR_ARGUMENT;
    const uint64_t length_ns = p.last_ns == 0 ? epoch_ns(p) : input->now_ns - p.last_ns;
    *result = tm_epoch_result{};
    settle_trees(p, length_ns, *result);
    Walker walker(walk, context, p.config.walk_windows);
    p.residency.refresh(p.spaces, walker);
    note_demand(p, *input);
    if (!may_rest(p, *input))
        plan(p, *input, length_ns, walker, moves, max_moves, *result);
    note_pace(p, *input, length_ns);
    note_served(p);
    choose_period(p, *input, length_ns);

    result->walks = p.config.walk_windows - walker.left();
    p.stats.walks += result->walks;
    result->period = p.period;
    result->cut_heat_milli = rank_heat(p.ranking.cut()) * 1000 / 256;
    result->uncertain_milli = p.ranking.uncertain_ppm() / 1000;
    result->fast_milli = p.epoch_known == 0 ? 0 : static_cast<uint32_t>(p.epoch_fast * 1000 / p.epoch_known);
    result->samples = p.epoch_samples;
    p.free_expected = all_free(*input);
    start_epoch(p, input->now_ns);
    return 0;
}

int tm_policy_shrink(tm_policy* policy, uint64_t bytes, tm_walk_fn walk, void* context, tm_move* moves,
                     uint32_t max_moves) {
    tm_policy& p = *policy;
    if (moves == nullptr && max_moves > 0)
        return TM_ERR_ARGUMENT;
    rank_spaces(p);
    Terms terms{};
    terms.short_pages = (bytes >> kPageShift) + ((bytes & 4095) != 0 ? 1 : 0);
    terms.budget = terms.short_pages;
    const Goal goal = find_goal(p.ranking, terms);
    p.given_up = goal.demote_upto;
    // What an epoch may walk can be all of slow or pinned memory. Places tell where the next goes on.
    PlanCount plan{};
    bool more = max_moves > 0;
    for (unsigned look = 0; more && look < kMostLooks; look++) {
        Walker walker(walk, context, p.config.walk_windows);
        plan = write_plan(p.spaces, walker, goal, horizon(p), p.places, moves, max_moves);
        p.stats.walks += p.config.walk_windows - walker.left();
        more = plan.moves == 0 && walk != nullptr && !walker.can();
    }
    return static_cast<int>(plan.moves);
}

void tm_policy_idle_moved(tm_policy* policy, uint64_t pages) {
    policy->free_expected = sat_add(policy->free_expected, pages);
}

void tm_policy_moved(tm_policy* policy, const tm_move* move, const tm_outcome* outcome) {
    static constexpr tm_outcome kAllDone = all_done();
    if (move == nullptr || move->pages == 0 || move->pages > TM_WINDOW_PAGES)
        return;
    const tm_outcome& o = outcome == nullptr ? kAllDone : *outcome;
    uint64_t demoted[8];
    for (unsigned w = 0; w < 8; w++)
        demoted[w] = o.done[w] | o.demoted[w];
    side_moved(*policy, move->promote_space, move->promote_addr, move->pages, o.done, o.refused_promote,
               Direction::kPromote);
    side_moved(*policy, move->demote_space, move->demote_addr, move->pages, demoted, o.refused_demote,
               Direction::kDemote);
    const uint32_t done = count_done(*move, o.done);
    // Room made before room taken, so that an exchange leaves it as it was.
    if (move->demote_space != TM_SPACE_NONE)
        policy->free_expected = sat_add<uint64_t>(policy->free_expected, count_done(*move, demoted));
    if (move->promote_space != TM_SPACE_NONE)
        policy->free_expected = sat_sub<uint64_t>(policy->free_expected, done);
    policy->stats.moves_done += done;
    policy->stats.moves_failed += move->pages - done;
}

uint32_t tm_policy_curve(const tm_policy* policy, tm_curve_point* points) {
    return make_curve(policy->ranking, policy->pace, points);
}

int tm_policy_ranges(const tm_policy* policy, uint64_t space, uint64_t from, tm_range* ranges, uint32_t max) {
    const Space* s = policy->spaces.find(space);
    if (s == nullptr)
        return TM_ERR_ABSENT;
    int filled = 0;
    uint16_t i = s->tree.covers(from) ? s->tree.find(from) : kNone;
    for (; i != kNone && static_cast<uint32_t>(filled) < max; i = s->tree.next(i))
        ranges[filled++] = describe(s->tree.node(i));
    return filled;
}

namespace {
// What `by` says of the page's leaf and code: a rank.
template <typename By> int page_rank(const tm_policy& p, uint64_t space, uint64_t addr, By by) {
    const Space* s = p.spaces.find(space);
    if (s == nullptr)
        return TM_ERR_ABSENT;
    if (!s->tree.covers(addr))
        return TM_ERR_ARGUMENT;
    const Node& n = s->tree.node(s->tree.find(addr));
    const PageDetail* d = s->tree.detail(n);
    const uint8_t code = d == nullptr ? uint8_t{0} : d->code[(addr >> kPageShift) % kPages];
    return by(LeafRank(*s, n, d, horizon(p)), code);
}
} // namespace

int tm_policy_page_heat(const tm_policy* policy, uint64_t space, uint64_t addr, uint64_t* heat_milli) {
    const int rank = page_rank(*policy, space, addr, [](const LeafRank& leaf, uint8_t code) { return leaf.likely(code); });
    if (rank < 0)
        return rank;
    *heat_milli = rank_heat(static_cast<uint16_t>(rank)) * 1000 / 256;
    return rank > policy->ranking.cut() ? 1 : 0;
}

int tm_policy_keeps(const tm_policy* policy, uint64_t space, uint64_t addr) {
    const int rank = page_rank(*policy, space, addr, [](const LeafRank& leaf, uint8_t code) { return leaf.certain(code); });
    return rank < 0 ? rank : rank > policy->given_up ? 1 : 0;
}

void tm_policy_get_stats(const tm_policy* policy, tm_policy_stats* stats) {
    *stats = policy->stats;
    stats->spaces = policy->spaces.count();
    stats->splits += policy->gone_splits;
    stats->details_made += policy->gone_details;
    stats->details_refused += policy->gone_refused;
    for (uint32_t i = 0; i < policy->spaces.top(); i++) {
        const Space* s = policy->spaces.slot(i);
        if (s == nullptr)
            continue;
        stats->splits += s->tree.splits();
        stats->details_made += s->tree.details_made();
        stats->details_refused += s->tree.details_refused();
        stats->ranges += s->tree.leaves();
        stats->details += s->tree.details();
    }
}
