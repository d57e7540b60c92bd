// SPDX-License-Identifier: GPL-2.0-or-later
// engine.cpp - see engine.hpp
#include "engine.hpp"

#include "replay.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>

namespace tiersim {

namespace {

constexpr uint32_t kEnd = 20;     // epochs that count as the end
constexpr uint32_t kSettled = 10; // from 5 s after a shift, for 5 s

// Largest sum of `quota` of the values.
double best(std::vector<float> values, uint64_t quota) {
    if (quota < values.size())
        std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(quota), values.end(),
                         std::greater<>());
    const auto end = values.begin() + static_cast<std::ptrdiff_t>(std::min<uint64_t>(quota, values.size()));
    return std::accumulate(values.begin(), end, 0.0);
}

// Means over the accesses of several epochs.
struct Mean {
    double accesses = 0;
    void add(const EpochRow& row, double& fast, double& oracle) {
        accesses += row.accesses;
        fast += (row.lasting - fast) * row.accesses / accesses;
        oracle += (row.oracle - oracle) * row.accesses / accesses;
    }
};

class Engine {
  public:
    explicit Engine(const RunOptions& options)
        : options_(options), random_(options.seed * 7919 + 17) {
        if (options.recording.empty()) {
            workload_ = make_workload(options.workload, options.epochs * kTicksPerEpoch, options.seed);
        } else {
            uint32_t ticks = 0;
            workload_ = make_replay(options.recording, options.fast_share, ticks);
            options_.epochs = ticks / kTicksPerEpoch;
            if (options_.epochs < 2)
                throw std::invalid_argument("a recording must be at least 1 s long");
        }
        if (workload_ == nullptr)
            throw std::invalid_argument("no workload is called '" + options.workload + "'; see --list");
        tierer_ = make_tierer(options.tierer, options.tuning, workload_->world());
        if (tierer_ == nullptr)
            throw std::invalid_argument("no tierer is called '" + options.tierer + "'; see --list");
        const uint32_t pages = workload_->world().pages();
        share_.resize(pages);
        epoch_.resize(pages);
        lasting_.resize(pages);
        spread_.resize(pages);
    }

    RunResult go() {
        for (uint32_t e = 0; e < options_.epochs; e++)
            epoch(e);
        return std::move(result_);
    }

  private:
    void epoch(uint32_t e) {
        std::fill(epoch_.begin(), epoch_.end(), 0.0F);
        std::fill(lasting_.begin(), lasting_.end(), 0.0F);
        row_ = EpochRow{};
        row_.period = tierer_->period();
        World& world = workload_->world();
        const uint64_t promotions = world.promotions();
        const uint64_t copies = world.copies();
        fast_ = 0;
        lasting_fast_ = 0;
        for (uint32_t t = 0; t < kTicksPerEpoch; t++)
            tick(e * kTicksPerEpoch + t);
        row_.fast = fast_ / row_.accesses;
        row_.lasting = lasting_fast_ / row_.accesses;
        row_.oracle = best(lasting_, world.quota()) / row_.accesses;
        row_.clairvoyant = best(epoch_, world.quota()) / row_.accesses;
        row_.promotions = world.promotions() - promotions;
        row_.copies = world.copies() - copies;
        row_.above = ranked_above();
        result_.epochs.push_back(row_);
        collect(e);
        if (options_.columns > 0)
            draw_row();
    }

    void tick(uint32_t number) {
        World& world = workload_->world();
        const double time = std::max(kTickNs * 0.05, kTickNs - debt_);
        debt_ = std::max(0.0, debt_ - (kTickNs - time));
        double fast = advance(number, time);
        // How far a scan gets depends on how fast its pages are, and that on how far it gets.
        const bool scans = std::any_of(parts_.begin(), parts_.end(), [](const Component& c) { return c.scan_count != 0; });
        for (int again = 0; scans && again < 3; again++)
            fast = advance(number, time);
        const double accesses = accesses_;
        workload_->did(accesses);
        row_.accesses += accesses;
        fast_ += fast * accesses;
        for (uint32_t p = 0; p < world.pages(); p++)
            epoch_[p] += share_[p] * static_cast<float>(accesses);
        last();
        const uint64_t samples = draw_samples(number, accesses);
        Tick view{number, world, share_, accesses, random_, copy_budget(), 0};
        const double moving = world.moving_ns(options_.costs);
        tierer_->tick(view);
        debt_ += view.overhead_ns + static_cast<double>(samples) * options_.costs.sample_ns +
                 world.moving_ns(options_.costs) - moving;
    }

    // The mixture of the tick, taken to do accesses_, and how many it does in
    // `time` ns; returns the share that is served fast.
    double advance(uint32_t number, double time) {
        const World& world = workload_->world();
        parts_ = workload_->at(number, accesses_);
        spread();
        double fast = 0;
        for (uint32_t p = 0; p < world.pages(); p++)
            if (world.tier(p) == kFast)
                fast += share_[p];
        const Costs& c = options_.costs;
        accesses_ = time / (c.work_ns + c.fast_ns * fast + c.slow_ns * (1 - fast));
        return fast;
    }

    [[nodiscard]] uint64_t copy_budget() const {
        return static_cast<uint64_t>(static_cast<double>(options_.tuning.bandwidth) * kTickNs / 1e9 / kPageBytes);
    }

    static void add(std::vector<float>& to, double weight, uint32_t first, uint32_t count, const Distribution* d) {
        for (uint32_t i = 0; i < count; i++)
            to[first + i] += static_cast<float>(weight * (d == nullptr ? 1.0 / count : d->share()[i]));
    }

    // The mixture as a share per page ...
    void spread() {
        std::fill(share_.begin(), share_.end(), 0.0F);
        for (const Component& part : parts_)
            add(share_, part.weight, part.first, part.count, part.distribution);
    }

    // ... and with scans spread over all that they scan.
    void last() {
        std::fill(spread_.begin(), spread_.end(), 0.0F);
        for (const Component& part : parts_) {
            const bool scan = part.scan_count != 0;
            add(spread_, part.weight * accesses_, scan ? part.scan_first : part.first,
                scan ? part.scan_count : part.count, part.distribution);
        }
        const World& world = workload_->world();
        for (uint32_t p = 0; p < world.pages(); p++) {
            lasting_[p] += spread_[p];
            lasting_fast_ += world.tier(p) == kFast ? spread_[p] : 0;
        }
    }

    uint64_t draw_samples(uint32_t number, double accesses) {
        const uint32_t period = tierer_->period();
        if (period == 0)
            return 0;
        carry_ += accesses / period;
        const auto n = static_cast<uint64_t>(carry_);
        carry_ -= static_cast<double>(n);
        row_.samples += n;
        const World& world = workload_->world();
        if (const std::vector<Recorded>* recorded = workload_->recorded(number)) {
            for (const Recorded& r : *recorded)
                tierer_->sample({r.page, world.space(r.page), world.address(r.page), world.tier(r.page), r.weight});
            return recorded->size();
        }
        for (uint64_t i = 0; i < n; i++) {
            const uint32_t page = draw_page();
            tierer_->sample({page, world.space(page), world.address(page), world.tier(page), period});
        }
        return n;
    }

    uint32_t draw_page() {
        double u = static_cast<double>(random_() >> 11) * 0x1p-53;
        for (const Component& part : parts_) {
            if (u >= part.weight && &part != &parts_.back()) {
                u -= part.weight;
                continue;
            }
            const uint64_t r = random_();
            return part.first + (part.distribution == nullptr
                                     ? static_cast<uint32_t>((static_cast<unsigned __int128>(r) * part.count) >> 64)
                                     : part.distribution->draw(random_));
        }
        return 0;
    }

    // Of the pages of the hottest component, how many are ranked above the cut.
    double ranked_above() {
        const auto hottest = std::max_element(parts_.begin(), parts_.end(), [](const Component& a, const Component& b) {
            return a.weight / a.count < b.weight / b.count;
        });
        if (parts_.empty() || hottest->distribution != nullptr || workload_->shift_tick() == 0)
            return -1;
        uint32_t above = 0;
        for (uint32_t i = 0; i < hottest->count; i++) {
            const int answer = tierer_->above_cut(workload_->world(), hottest->first + i);
            if (answer < 0)
                return -1;
            above += static_cast<uint32_t>(answer);
        }
        return static_cast<double>(above) / hottest->count;
    }

    void collect(uint32_t e) {
        const uint32_t shift = workload_->shift_tick() / kTicksPerEpoch;
        if (e == 0 || (shift > 0 && e == shift))
            count_needed();
        if (shift > 0 && e >= shift && result_.reaction < 0 && row_.above >= 0.9)
            result_.reaction = static_cast<int>(e - shift) + 1;
        if (shift > 0 && e >= shift + kSettled && e < shift + 2 * kSettled)
            settled_.add(row_, result_.settled_fast, result_.settled_oracle);
        result_.served_fast += row_.fast * row_.accesses;
        result_.accesses += row_.accesses;
        result_.promotions += row_.promotions;
        result_.copies += row_.copies;
        if (e + kEnd < options_.epochs)
            return;
        end_.add(row_, result_.end_fast, result_.end_oracle);
        result_.end_clairvoyant += (row_.clairvoyant - result_.end_clairvoyant) * row_.accesses / end_.accesses;
        result_.late_promotions += row_.promotions;
    }

    // Pages that are hotter than the page at the cut by more than 5 %, and slow:
    // what has to be moved, counted when they have just become hot.
    void count_needed() {
        const World& world = workload_->world();
        if (world.quota() >= lasting_.size())
            return;
        std::vector<float> sorted = lasting_;
        const auto cut = sorted.begin() + static_cast<std::ptrdiff_t>(world.quota());
        std::nth_element(sorted.begin(), cut, sorted.end(), std::greater<>());
        for (uint32_t p = 0; p < lasting_.size(); p++)
            result_.needed += lasting_[p] > *cut * 1.05F && world.tier(p) == kSlow ? 1 : 0;
    }

    void draw_row() {
        HeatMap& map = result_.map;
        map.columns = options_.columns;
        std::vector<float> heat(map.columns);
        std::vector<float> fast(map.columns);
        std::vector<float> pages(map.columns);
        const World& world = workload_->world();
        for (uint32_t p = 0; p < world.pages(); p++) {
            const auto c = static_cast<uint32_t>(uint64_t{p} * map.columns / world.pages());
            heat[c] += epoch_[p];
            pages[c] += world.tier(p) == kAbsent ? 0.0F : 1.0F;
            fast[c] += world.tier(p) == kFast ? 1.0F : 0.0F;
        }
        for (uint32_t c = 0; c < map.columns; c++)
            fast[c] = pages[c] > 0 ? fast[c] / pages[c] : 0.0F;
        map.heat.push_back(std::move(heat));
        map.fast.push_back(std::move(fast));
    }

    RunOptions options_;
    Random random_;
    std::unique_ptr<Workload> workload_;
    std::unique_ptr<Tierer> tierer_;
    std::vector<Component> parts_;
    std::vector<float> share_;
    std::vector<float> epoch_;   // accesses by page, this epoch
    std::vector<float> lasting_; // the same, scans spread out
    std::vector<float> spread_;  // this, of one tick
    RunResult result_;
    EpochRow row_{};
    double accesses_ = kTickNs / (options_.costs.work_ns + options_.costs.slow_ns); // in the last tick
    double fast_ = 0; // accesses served fast, this epoch
    double lasting_fast_ = 0; // the same, scans spread out
    double debt_ = 0; // ns of work that was not the program's
    double carry_ = 0;
    Mean settled_;
    Mean end_;
};

} // namespace

RunResult run(const RunOptions& options) {
    if (options.recording.empty() && options.epochs < 2 * kEnd)
        throw std::invalid_argument("--epochs must be at least 40");
    return Engine(options).go();
}

} // namespace tiersim
