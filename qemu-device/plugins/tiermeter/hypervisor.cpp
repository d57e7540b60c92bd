// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor.h"

#include <algorithm>

namespace tiermeter {
namespace {

constexpr TierId fast = 0;
constexpr TierId slow = 1;
constexpr std::uint64_t page_size = std::uint64_t{1} << page_bits;
constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t copied_line = 64; // bytes
constexpr std::uint32_t no_page = UINT32_MAX;

// Heat halves in each interval without an access, and is worth an exchange only if it is clearly
// more.
constexpr std::uint8_t heat_of_access = 128;
constexpr int margin = 32;

} // namespace

HypervisorTiering::HypervisorTiering(const HypervisorSettings& settings,
                                     std::array<std::uint32_t, 2> latency, unsigned vcpus,
                                     std::uint64_t pages)
    : settings_(settings), copy_ns_(page_size / copied_line * (latency[fast] + latency[slow])),
      vcpus_(vcpus), fast_free_(settings.fast >> page_bits), seen_(pages), tier_(pages, no_tier),
      heat_(pages), next_scan_(settings.scan_ns), next_(settings.scan_ns) {}

std::uint64_t HypervisorTiering::walk(std::uint64_t page) {
    seen_[page] = interval_;
    counts_.walks++;
    if (tier_[page] == no_tier)
        move(static_cast<Page>(page), fast_free_ ? fast : slow);
    if (!settings_.charge_tracking)
        return 0;
    const auto ns = std::uint64_t{settings_.walk_references} * settings_.reference_ns;
    counts_.tracking_ns += ns;
    return ns;
}

std::uint64_t HypervisorTiering::act(std::uint64_t now) {
    std::uint64_t ns = 0;
    if (now >= next_scan_) {
        ns += scan();
        next_scan_ = now - now % settings_.scan_ns + settings_.scan_ns;
        next_move_ = planned_.empty() ? UINT64_MAX : now;
    }
    // At most one after each access, so that what is late does not come all at once.
    if (now >= next_move_) {
        ns += exchange(planned_[done_++]);
        next_move_ = done_ == planned_.size() ? UINT64_MAX
                                              : now + 2 * page_size * second / settings_.bandwidth;
    }
    next_ = std::min(next_scan_, next_move_);
    return ns;
}

std::uint64_t HypervisorTiering::scan() {
    for (std::size_t page = 0; page < heat_.size(); page++)
        heat_[page] = static_cast<std::uint8_t>(
            heat_[page] / 2 + (seen_[page] == interval_ ? heat_of_access - 1 : 0));
    plan();
    interval_++;
    counts_.scans++;
    if (!settings_.charge_tracking)
        return 0;
    const auto ns = std::uint64_t{settings_.flush_ns} * vcpus_;
    counts_.tracking_ns += ns;
    return ns;
}

void HypervisorTiering::plan() {
    planned_.clear();
    done_ = 0;
    const auto hot = pages_of(slow, true);
    const auto cold = pages_of(fast, false);
    std::uint64_t room = fast_free_;
    std::size_t victim = 0;
    std::uint32_t moves = 0;
    for (const Page up : hot) {
        if (heat_[up] < heat_of_access / 2)
            break; // not used in this interval
        const bool free = room > 0;
        moves += free ? 1 : 2;
        if (moves > settings_.batch ||
            (!free && (victim == cold.size() || heat_[up] < heat_[cold[victim]] + margin)))
            break;
        planned_.push_back({up, free ? no_page : cold[victim++]});
        room -= free;
    }
}

// As many pages as a batch can hold, in the order of their heat, then of their numbers.
std::vector<HypervisorTiering::Page> HypervisorTiering::pages_of(TierId tier, bool hottest) const {
    std::vector<Page> pages;
    for (std::size_t page = 0; page < tier_.size(); page++)
        if (tier_[page] == tier)
            pages.push_back(static_cast<Page>(page));
    const auto count = std::min<std::size_t>(pages.size(), settings_.batch);
    const auto before = [&](Page a, Page b) {
        if (heat_[a] != heat_[b])
            return (heat_[a] > heat_[b]) == hottest;
        return a < b;
    };
    std::partial_sort(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count),
                      pages.end(), before);
    pages.resize(count);
    return pages;
}

std::uint64_t HypervisorTiering::exchange(const Exchange& pair) {
    std::uint64_t moves = 1;
    if (pair.down != no_page) {
        move(pair.down, slow);
        moves = 2;
    }
    move(pair.up, fast);
    counts_.moved += moves;
    if (!settings_.charge_copies)
        return 0;
    const auto ns = moves * copy_ns_;
    counts_.copy_ns += ns;
    return ns;
}

void HypervisorTiering::move(Page page, TierId tier) {
    if (tier == fast)
        fast_free_--;
    else if (tier_[page] == fast)
        fast_free_++;
    tier_[page] = tier;
}

} // namespace tiermeter
