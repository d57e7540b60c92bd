// SPDX-License-Identifier: GPL-2.0-or-later
// scanner.cpp - access bits of all pages, scanned periodically, as page-table
// scanners do it (Nimble, AutoTiering, multi-generational LRU): the bit of every
// page is read and cleared, the last eight are kept; pages seen in most of them
// are promoted, the ones seen in the fewest make room, if seen in at least two
// fewer. A scan costs 50 ns a page, and 100 ns for each translation that must be
// refilled because its bit was cleared.
//
// "scanner" scans every 250 ms whatever that costs. "scanner-budget" tracks within
// the same CPU budget as those that take samples: after a scan it rests until the
// scan is paid for (published scanners rest for seconds).
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "mover.hpp"
#include "tierer.hpp"

namespace tiersim {

namespace {
constexpr uint32_t kLeastTicks = 5; // 250 ms
constexpr uint32_t kMostTicks = 1000000;
constexpr double kPageNs = 50;
constexpr double kRefillNs = 100;

class Scanner : public Tierer {
  public:
    // `budget`: share of a CPU for scanning.
    Scanner(const World& world, double budget)
        : expected_(world.pages()), history_(world.pages()), tick_budget_ns_(budget * kTickNs) {}

    void tick(Tick& tick) override {
        budget_ += tick.move_budget;
        for (uint32_t p = 0; p < expected_.size(); p++)
            expected_[p] += static_cast<float>(tick.accesses) * tick.share[p];
        if (++rested_ < rest_)
            return;
        const double cost = scan(tick);
        rested_ = 0;
        rest_ = static_cast<uint32_t>(std::clamp<double>(std::ceil(cost / tick_budget_ns_), kLeastTicks, kMostTicks));
        relocate(tick.world);
        budget_ = 0;
    }

  private:
    // Returns what it cost, in ns.
    double scan(Tick& tick) {
        uint64_t refills = 0;
        for (uint32_t p = 0; p < expected_.size(); p++) {
            const double u = static_cast<double>(tick.random() >> 11) * 0x1p-53;
            const bool seen = u < 1 - std::exp(-static_cast<double>(expected_[p]));
            refills += seen ? 1 : 0;
            history_[p] = static_cast<uint8_t>(history_[p] << 1 | (seen ? 1 : 0));
            expected_[p] = 0;
        }
        const double cost = kPageNs * static_cast<double>(expected_.size()) + kRefillNs * static_cast<double>(refills);
        tick.overhead_ns += cost;
        scans_++;
        return cost;
    }

    void relocate(World& world) {
        if (scans_ < 4)
            return;
        std::vector<uint32_t> slow[9];
        std::vector<uint32_t> fast[9];
        for (uint32_t p = 0; p < history_.size(); p++) {
            const int seen = std::popcount(history_[p]);
            if (world.tier(p) == kSlow)
                slow[seen].push_back(p);
            if (world.tier(p) == kFast)
                fast[seen].push_back(p);
        }
        for (int hot = 8; hot > 0; hot--)
            for (int cold = 0; cold + 2 <= hot; cold++) {
                if (slow[hot].empty() || (fast[cold].empty() && world.fast_free() == 0))
                    continue;
                const uint64_t copies = move_pages(world, slow[hot], fast[cold], budget_);
                budget_ -= std::min(budget_, copies);
                drop(slow[hot], world, kSlow);
                drop(fast[cold], world, kFast);
            }
    }

    static void drop(std::vector<uint32_t>& pages, const World& world, uint8_t tier) {
        std::erase_if(pages, [&](uint32_t p) { return world.tier(p) != tier; });
    }

    std::vector<float> expected_;
    std::vector<uint8_t> history_;
    double tick_budget_ns_;
    uint32_t rest_ = kLeastTicks; // ticks from one scan to the next
    uint32_t rested_ = 0;
    uint32_t scans_ = 0;
    uint64_t budget_ = 0;
};
} // namespace

std::unique_ptr<Tierer> make_scanner(const TiererOptions& /*options*/, World& world) {
    return std::make_unique<Scanner>(world, std::numeric_limits<double>::infinity());
}

std::unique_ptr<Tierer> make_thrifty_scanner(const TiererOptions& options, World& world) {
    return std::make_unique<Scanner>(world, options.cpu_permille / 1000.0);
}

} // namespace tiersim
