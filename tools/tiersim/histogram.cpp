// SPDX-License-Identifier: GPL-2.0-or-later
// histogram.cpp - counts per page in physical space, after Memtis (Lee et al.,
// SOSP 2023), with the defaults of its published code: counts are put into 16
// exponential bins, halved every 2,000,000 samples; every 100,000 samples the
// hot threshold is set to the lowest bin such that the pages in it and above fit
// into tier 0, and the warm threshold one below when those fill less than 95 %.
// Every 500 ms hot pages are promoted, and pages below warm are demoted as room
// is needed, in the order in which they got there.
//
// It is given as many samples as the CPU budget allows at all times, and memory
// without limit (8 bytes a page).
#include <algorithm>
#include <array>
#include <bit>

#include "mover.hpp"
#include "tierer.hpp"

namespace tiersim {

namespace {
constexpr uint32_t kBins = 16;
constexpr uint64_t kCooling = 2000000;
constexpr uint64_t kAdaptation = 100000;

uint32_t bin_of(uint32_t count) {
    return count == 0 ? 0 : std::min<uint32_t>(kBins - 1, static_cast<uint32_t>(std::bit_width(count)));
}

class Histogram : public Tierer {
  public:
    Histogram(const TiererOptions& options, World& world)
        : budget_per_second_(options.cpu_permille * 1e6 / 60), count_(world.pages()), pages_(world.pages()) {
        bins_[0] = world.pages();
        quota_ = world.quota();
    }
    [[nodiscard]] uint32_t period() const override { return period_; }

    void sample(const Sample& s) override {
        bins_[bin_of(count_[s.page])]--;
        bins_[bin_of(++count_[s.page])]++;
        samples_++;
        if (samples_ % kCooling == 0)
            cool();
        if (samples_ % kAdaptation == 0 || samples_ == 1000)
            adapt();
    }

    void tick(Tick& tick) override {
        budget_ += tick.move_budget;
        const double rate = tick.accesses / (kTickNs / 1e9);
        period_ = static_cast<uint32_t>(std::max(1.0, rate / budget_per_second_)) | 1;
        if ((tick.number + 1) % kTicksPerEpoch != 0)
            return;
        std::vector<uint32_t> wanted;
        std::vector<uint32_t> unwanted;
        for (uint32_t p = 0; p < pages_; p++) {
            if (tick.world.tier(p) == kSlow && bin_of(count_[p]) >= hot_)
                wanted.push_back(p);
            if (tick.world.tier(p) == kFast && bin_of(count_[p]) < warm_)
                unwanted.push_back(p);
        }
        move_pages(tick.world, wanted, unwanted, budget_);
        budget_ = 0;
    }

  private:
    void cool() {
        bins_.fill(0);
        for (uint32_t& c : count_)
            bins_[bin_of(c /= 2)]++;
    }
    void adapt() {
        uint64_t sum = 0;
        uint32_t bin = kBins;
        while (bin > 1 && sum + bins_[bin - 1] <= quota_)
            sum += bins_[--bin];
        hot_ = std::max(bin, 1U);
        warm_ = sum < quota_ * 95 / 100 ? hot_ - 1 : hot_;
        warm_ = std::max(warm_, 1U);
    }

    double budget_per_second_;
    uint32_t period_ = 199; // Memtis's own, until the rate is known
    std::vector<uint32_t> count_;
    uint32_t pages_;
    std::array<uint64_t, kBins> bins_{};
    uint64_t samples_ = 0;
    uint64_t quota_ = 0;
    uint64_t budget_ = 0;
    uint32_t hot_ = 2;
    uint32_t warm_ = 1;
};
} // namespace

std::unique_ptr<Tierer> make_histogram(const TiererOptions& options, World& world) {
    return std::make_unique<Histogram>(options, world);
}

} // namespace tiersim
