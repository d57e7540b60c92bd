// SPDX-License-Identifier: GPL-2.0-or-later
// damon.cpp - access bits of sampled pages of adaptive regions, after DAMON
// (Park et al., HPDC 2022; Documentation/mm/damon/design.rst), with its defaults:
// every 5 ms one page of each region is looked at, every 100 ms neighbours whose
// counts differ by no more than a tenth of the maximum are merged and each region
// is split in two at a random place, 10 to 1,000 regions. Schemes as advised for
// tiering: hot regions to tier 0, regions without accesses to tier 1, the best
// first by frequency and age, within the bandwidth.
//
// It is shown virtual addresses, where it has the better of its two modes.
#include <algorithm>
#include <cmath>

#include "mover.hpp"
#include "tierer.hpp"

namespace tiersim {

namespace {
constexpr uint32_t kChecksPerTick = 10;     // 5 ms
constexpr uint32_t kTicksPerAggregation = 2; // 100 ms
constexpr uint32_t kMaxCount = kChecksPerTick * kTicksPerAggregation;
constexpr uint32_t kMinRegions = 10;
constexpr uint32_t kMaxRegions = 1000;
constexpr uint32_t kColdAge = 10; // aggregations without an access
constexpr double kCheckNs = 500;  // walk, test and clear, flush

struct Region {
    uint32_t first;
    uint32_t end;
    uint32_t count;
    uint32_t last;
    uint32_t age; // aggregations
    [[nodiscard]] uint32_t size() const { return end - first; }
};

uint32_t apart(uint32_t a, uint32_t b) { return a > b ? a - b : b - a; }

class Damon : public Tierer {
  public:
    explicit Damon(const World& world) : total_(world.pages()) {
        for (const Area& a : world.areas()) {
            const uint32_t parts = std::max<uint32_t>(1, kMinRegions / static_cast<uint32_t>(world.areas().size()));
            for (uint32_t i = 0; i < parts; i++)
                regions_.push_back({a.first + a.count / parts * i,
                                    i + 1 == parts ? a.first + a.count : a.first + a.count / parts * (i + 1), 0, 0,
                                    0});
        }
    }

    void tick(Tick& tick) override {
        budget_ += tick.move_budget;
        for (Region& r : regions_)
            check(r, tick);
        tick.overhead_ns += static_cast<double>(regions_.size()) * kChecksPerTick * kCheckNs;
        if ((tick.number + 1) % kTicksPerAggregation != 0)
            return;
        merge();
        apply(tick.world);
        for (Region& r : regions_) {
            r.last = r.count;
            r.count = 0;
        }
        split(tick.random);
        budget_ = 0;
    }

  private:
    static void check(Region& r, Tick& tick) {
        for (uint32_t c = 0; c < kChecksPerTick; c++) {
            const uint32_t page = r.first + static_cast<uint32_t>(tick.random() % r.size());
            const double expected = tick.accesses / kChecksPerTick * static_cast<double>(tick.share[page]);
            const double u = static_cast<double>(tick.random() >> 11) * 0x1p-53;
            r.count += u < 1 - std::exp(-expected) ? 1 : 0;
        }
    }

    void merge() {
        uint32_t most = 0;
        for (const Region& r : regions_)
            most = std::max(most, r.count);
        const uint32_t threshold = std::max(1U, most / 10);
        std::vector<Region> next;
        for (Region r : regions_) {
            r.age = apart(r.count, r.last) > threshold ? 0 : r.age + 1;
            const bool join = !next.empty() && next.back().end == r.first &&
                              apart(next.back().count, r.count) <= threshold &&
                              next.back().size() + r.size() <= total_ / kMinRegions;
            if (!join) {
                next.push_back(r);
                continue;
            }
            Region& l = next.back();
            const uint64_t size = l.size() + r.size();
            const auto mean = [&](uint32_t a, uint32_t b) {
                return static_cast<uint32_t>((uint64_t{a} * l.size() + uint64_t{b} * r.size()) / size);
            };
            l = {l.first, r.end, mean(l.count, r.count), mean(l.last, r.last), mean(l.age, r.age)};
        }
        regions_ = std::move(next);
    }

    void split(Random& random) {
        if (regions_.size() > kMaxRegions / 2)
            return;
        std::vector<Region> next;
        for (const Region& r : regions_) {
            if (r.size() < 2) {
                next.push_back(r);
                continue;
            }
            const uint32_t at = r.first + 1 + static_cast<uint32_t>(random() % (r.size() - 1));
            next.push_back({r.first, at, r.count, r.last, r.age});
            next.push_back({at, r.end, r.count, r.last, r.age});
        }
        regions_ = std::move(next);
    }

    // Frequency and age count alike; among the cold, age makes colder.
    static double score(const Region& r) {
        const double age = std::min(1.0, std::log2(r.age + 1.0) / 10);
        return r.count > 0 ? static_cast<double>(r.count) / kMaxCount + age : -age;
    }

    void apply(World& world) {
        std::vector<Region> order = regions_;
        std::stable_sort(order.begin(), order.end(),
                         [](const Region& a, const Region& b) { return score(a) > score(b); });
        std::vector<uint32_t> wanted;
        std::vector<uint32_t> unwanted;
        for (const Region& r : order)
            for (uint32_t p = r.first; p < r.end; p++) {
                if (r.count >= 2 && world.tier(p) == kSlow)
                    wanted.push_back(p);
                if (r.count == 0 && r.age >= kColdAge && world.tier(p) == kFast)
                    unwanted.push_back(p);
            }
        std::reverse(unwanted.begin(), unwanted.end());
        move_pages(world, wanted, unwanted, budget_);
    }

    uint32_t total_;
    std::vector<Region> regions_;
    uint64_t budget_ = 0;
};
} // namespace

std::unique_ptr<Tierer> make_damon(const TiererOptions& /*options*/, World& world) {
    return std::make_unique<Damon>(world);
}

} // namespace tiersim
