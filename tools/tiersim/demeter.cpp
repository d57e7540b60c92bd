// SPDX-License-Identifier: GPL-2.0-or-later
// demeter.cpp - ranges of guest virtual addresses, after Demeter ("Delegating
// Tiered Memory Management for Virtualized Clouds", SOSP 2025), written from its
// description: period 4093, an epoch of 500 ms, ranges of at least 2 MiB; each
// mapping starts as one range; a range whose count exceeds that of both its
// neighbours by 15 or more is split in half; counts are halved each epoch; two
// halves that have not differed by the threshold for four epochs are merged. Ranges
// are ranked by accesses per page, the younger first among equals; the top of
// the ranking that fits into tier 0 belongs there, and its slow pages are
// exchanged for fast pages of the ranges at the bottom.
#include <algorithm>

#include "mover.hpp"
#include "tierer.hpp"

namespace tiersim {

namespace {
constexpr uint32_t kPeriod = 4093;
constexpr uint32_t kThreshold = 15;
constexpr uint32_t kSmallest = 512; // pages
constexpr uint32_t kMergeEpochs = 4;

struct Range {
    uint32_t first;
    uint32_t end;
    uint32_t area;
    uint32_t count;
    uint32_t age;  // epochs since it was made
    uint32_t like; // epochs for which it has not differed from the next
    [[nodiscard]] double heat() const { return static_cast<double>(count) / (end - first); }
};

uint32_t apart(uint32_t a, uint32_t b) { return a > b ? a - b : b - a; }

class Demeter : public Tierer {
  public:
    explicit Demeter(World& world) {
        for (uint32_t a = 0; a < world.areas().size(); a++) {
            const Area& area = world.areas()[a];
            ranges_.push_back({area.first, area.first + area.count, a, 0, 0, 0});
        }
    }
    [[nodiscard]] uint32_t period() const override { return kPeriod; }

    void sample(const Sample& s) override {
        auto after = std::upper_bound(ranges_.begin(), ranges_.end(), s.page,
                                      [](uint32_t page, const Range& r) { return page < r.first; });
        (after - 1)->count++;
    }

    void tick(Tick& tick) override {
        budget_ += tick.move_budget;
        if ((tick.number + 1) % kTicksPerEpoch != 0)
            return;
        split();
        merge();
        relocate(tick.world);
        for (Range& r : ranges_) {
            r.count /= 2;
            r.age++;
        }
        budget_ = 0;
    }

  private:
    [[nodiscard]] bool stands_out(size_t i) const {
        const uint32_t count = ranges_[i].count;
        const uint32_t left = i > 0 && ranges_[i - 1].area == ranges_[i].area ? ranges_[i - 1].count : 0;
        const uint32_t right =
            i + 1 < ranges_.size() && ranges_[i + 1].area == ranges_[i].area ? ranges_[i + 1].count : 0;
        return count >= left + kThreshold && count >= right + kThreshold;
    }

    void split() {
        std::vector<Range> next;
        for (size_t i = 0; i < ranges_.size(); i++) {
            const Range& r = ranges_[i];
            if (r.end - r.first < 2 * kSmallest || !stands_out(i)) {
                next.push_back(r);
                continue;
            }
            const uint32_t middle = r.first + (r.end - r.first) / 2 / kSmallest * kSmallest;
            next.push_back({r.first, middle, r.area, r.count / 2, 0, 0});
            next.push_back({middle, r.end, r.area, r.count - r.count / 2, 0, 0});
        }
        ranges_ = std::move(next);
    }

    void merge() {
        std::vector<Range> next;
        for (const Range& r : ranges_) {
            if (next.empty() || next.back().area != r.area) {
                next.push_back(r);
                continue;
            }
            Range& last = next.back();
            const bool alike = apart(last.count, r.count) < kThreshold && last.heat() * 2 > r.heat() &&
                               r.heat() * 2 > last.heat() - 1e-9;
            last.like = alike ? last.like + 1 : 0;
            if (last.like >= kMergeEpochs && last.age >= kMergeEpochs && r.age >= kMergeEpochs)
                last = {last.first, r.end, r.area, last.count + r.count, 0, 0};
            else
                next.push_back(r);
        }
        ranges_ = std::move(next);
    }

    void relocate(World& world) const {
        std::vector<const Range*> order;
        for (const Range& r : ranges_)
            order.push_back(&r);
        std::stable_sort(order.begin(), order.end(), [](const Range* a, const Range* b) {
            return a->heat() != b->heat() ? a->heat() > b->heat() : a->age < b->age;
        });
        std::vector<uint32_t> wanted;
        std::vector<uint32_t> unwanted;
        uint64_t sum = 0;
        for (const Range* r : order) {
            const bool hot = r->count > 0 && sum + (r->end - r->first) <= world.quota();
            sum += r->end - r->first;
            for (uint32_t p = r->first; p < r->end; p++)
                if (world.tier(p) == (hot ? kSlow : kFast))
                    (hot ? wanted : unwanted).push_back(p);
        }
        std::reverse(unwanted.begin(), unwanted.end());
        move_pages(world, wanted, unwanted, budget_);
    }

    std::vector<Range> ranges_;
    uint64_t budget_ = 0;
};
} // namespace

std::unique_ptr<Tierer> make_demeter(const TiererOptions& /*options*/, World& world) {
    return std::make_unique<Demeter>(world);
}

} // namespace tiersim
