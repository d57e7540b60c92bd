// SPDX-License-Identifier: GPL-2.0-or-later
// Objects of 4 KiB, read by Zipf's law, a random line of them each time. Hot objects lie anywhere.
#include "heat.hpp"
#include "skew.hpp"
#include "workloads.hpp"

namespace tierload {
namespace {

class Zipf : public Workload {
public:
    Zipf(Slice memory, const Settings& settings)
        : Workload(memory), random_(settings.seed), skew_(memory.pages(), settings.skew),
          place_(memory.pages(), settings.seed) {}

    void run(std::uint64_t operations) override {
        constexpr std::uint64_t lines = page_size / line_size;
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < operations; i++) {
            const std::uint64_t object = place_(skew_.draw(random_));
            const std::uint64_t line = Random::below(random_.next(), lines);
            sum += static_cast<unsigned char>(memory_.base[object * page_size + line * line_size]);
        }
        checksum_ += sum;
    }

    void heat(std::span<float> pages, std::size_t, bool) const override {
        for (std::uint64_t rank = 0; rank < memory_.pages(); rank++)
            pages[place_(rank)] += static_cast<float>(skew_.weight(rank));
    }

private:
    Random random_;
    Skew skew_;
    Scatter place_;
};

} // namespace

std::unique_ptr<Workload> make_zipf(Slice memory, const Settings& settings) {
    return std::make_unique<Zipf>(memory, settings);
}

} // namespace tierload
