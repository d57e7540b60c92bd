// SPDX-License-Identifier: GPL-2.0-or-later
// Random updates of 8 bytes with a hot region that stays, moves once, or is the newest part of a
// growing heap.
#include "workloads.hpp"

#include <algorithm>

#include "heat.hpp"
#include "hot_region.hpp"

namespace tierload {
namespace {

constexpr std::size_t word = sizeof(std::uint64_t);

constexpr double usual_share = 0.9;

double share(const Settings& settings) {
    return settings.hot_share > 0 ? settings.hot_share : usual_share;
}

std::size_t whole_pages(double bytes) {
    return static_cast<std::size_t>(bytes) / page_size * page_size;
}

// Where the hot region begins. Both places are beyond what fits into fast memory when memory is
// filled in order, as programs that load their data first do.
constexpr double first_place = 0.70;
constexpr double second_place = 0.85;

class Gups : public Workload {
public:
    Gups(Slice memory, const Settings& settings, bool moves)
        : Workload(memory), moves_(moves), hot_(settings.hot), share_(share(settings)),
          random_(settings.seed),
          region_(memory.size / word, place(false) / word, hot_ / word, share_) {}

    void run(std::uint64_t operations) override {
        auto* words = memory_.as<std::uint64_t>();
        for (std::uint64_t i = 0; i < operations; i++)
            update(words[region_.draw(random_)], i);
    }

    [[nodiscard]] bool shifts() const override { return moves_; }
    void shift() override { region_.move(place(true) / word); }

    void heat(std::span<float> pages, std::size_t, bool shifted) const override {
        const std::size_t first = place(shifted), end = first + hot_;
        const double cold = (1 - share_) / static_cast<double>(memory_.size - hot_);
        spread(pages, 0, first, cold * static_cast<double>(first));
        spread(pages, first, end, share_);
        spread(pages, end, memory_.size, cold * static_cast<double>(memory_.size - end));
    }

private:
    [[nodiscard]] std::size_t place(bool shifted) const {
        const double part = moves_ && shifted ? second_place : first_place;
        return std::min(whole_pages(part * static_cast<double>(memory_.size)), memory_.size - hot_);
    }

    bool moves_;
    std::size_t hot_;
    double share_;
    Random random_;
    HotRegion region_;
};

class Heap : public Workload {
public:
    Heap(Slice memory, const Settings& settings)
        : Workload(memory), hot_(settings.hot), share_(share(settings)), random_(settings.seed),
          region_(region(extent_at(0))) {}

    void run(std::uint64_t operations) override {
        auto* words = memory_.as<std::uint64_t>();
        for (std::uint64_t i = 0; i < operations; i++)
            update(words[region_.draw(random_)], i);
    }

    // From a quarter of the memory, but room for the hot part and as much again, to all of it.
    [[nodiscard]] std::size_t extent_at(double progress) const override {
        const auto begin = static_cast<double>(std::max(memory_.size / 4, 2 * hot_));
        const double bytes = begin + (static_cast<double>(memory_.size) - begin) * progress;
        const std::size_t step = std::max(memory_.size / steps / huge_page_size, std::size_t{1});
        const std::size_t unit = step * huge_page_size;
        return std::min((static_cast<std::size_t>(bytes) + unit - 1) / unit * unit, memory_.size);
    }

    void begin_extent(std::size_t bytes) override { region_ = region(bytes); }

    void heat(std::span<float> pages, std::size_t extent, bool) const override {
        spread(pages, 0, extent - hot_, 1 - share_);
        spread(pages, extent - hot_, extent, share_);
    }

private:
    static constexpr std::size_t steps = 64;

    [[nodiscard]] HotRegion region(std::size_t extent) const {
        return {extent / word, (extent - hot_) / word, hot_ / word, share_};
    }

    std::size_t hot_;
    double share_;
    Random random_;
    HotRegion region_;
};

} // namespace

std::unique_ptr<Workload> make_gups(Slice memory, const Settings& settings) {
    return std::make_unique<Gups>(memory, settings, false);
}

std::unique_ptr<Workload> make_moving_gups(Slice memory, const Settings& settings) {
    return std::make_unique<Gups>(memory, settings, true);
}

std::unique_ptr<Workload> make_heap(Slice memory, const Settings& settings) {
    return std::make_unique<Heap>(memory, settings);
}

} // namespace tierload
