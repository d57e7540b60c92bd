// SPDX-License-Identifier: GPL-2.0-or-later
// Reads all memory again and again, line by line, and in between updates a hot region at random.
#include "heat.hpp"
#include "hot_region.hpp"
#include "workloads.hpp"

namespace tierload {
namespace {

constexpr double usual_share = 0.5;
constexpr double hot_place = 0.75; // of the memory, where the hot region begins

class Scan : public Workload {
public:
    Scan(Slice memory, const Settings& settings)
        : Workload(memory), hot_(settings.hot),
          hot_first_(static_cast<std::size_t>(hot_place * static_cast<double>(memory.size)) /
                     page_size * page_size),
          share_(settings.hot_share > 0 ? settings.hot_share : usual_share),
          random_(settings.seed) {
        if (hot_first_ + hot_ > memory.size)
            hot_first_ = memory.size - hot_;
    }

    void run(std::uint64_t operations) override {
        const auto limit = static_cast<std::uint64_t>(share_ * 0x1p32);
        auto* hot = reinterpret_cast<std::uint64_t*>(memory_.base + hot_first_);
        const std::uint64_t hot_words = hot_ / sizeof *hot;
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < operations; i++) {
            const std::uint64_t r = random_.next();
            if ((r & 0xFFFFFFFF) < limit) {
                update(hot[Random::below(r, hot_words)], i);
                continue;
            }
            sum += static_cast<unsigned char>(memory_.base[next_]);
            next_ = next_ + line_size < memory_.size ? next_ + line_size : 0;
        }
        checksum_ += sum;
    }

    void heat(std::span<float> pages, std::size_t, bool) const override {
        spread(pages, 0, memory_.size, 1 - share_);
        spread(pages, hot_first_, hot_first_ + hot_, share_);
    }

private:
    std::size_t hot_;
    std::size_t hot_first_;
    double share_;
    Random random_;
    std::size_t next_ = 0;
};

} // namespace

std::unique_ptr<Workload> make_scan(Slice memory, const Settings& settings) {
    return std::make_unique<Scan>(memory, settings);
}

} // namespace tierload
