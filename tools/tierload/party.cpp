// SPDX-License-Identifier: GPL-2.0-or-later
#include "party.hpp"

#include <algorithm>
#include <cmath>

namespace tierload {
namespace {

// The scheduler's weight falls by a fifth with each step of niceness: three steps halve it.
constexpr int nice_step = 3;
constexpr int nice_max = 19;
constexpr double weight_of_nice = 0.8;

constexpr float later = 1e-3F; // what heat after the shift counts before it

Settings of_member(const Settings& settings, unsigned number, unsigned members) {
    Settings mine = settings;
    mine.hot = std::max(settings.hot / members / page_size, std::size_t{1}) * page_size;
    mine.seed += number;
    return mine;
}

} // namespace

Party::Party(const Area& area, const Settings& settings) : area_(area) {
    const WorkloadInfo& info = *find_workload(settings.workload);
    const unsigned count = info.several ? settings.processes : 1;
    const std::size_t bytes = area.size() / count / huge_page_size * huge_page_size;
    double total = 0;
    for (unsigned i = 0; i < count; i++) {
        const int nice = std::min(static_cast<int>(i) * nice_step, nice_max);
        const Slice slice{area.base() + i * bytes, bytes};
        members_.push_back({i * bytes / page_size, slice.pages(), nice,
                            std::pow(weight_of_nice, nice),
                            info.make(slice, of_member(settings, i, count))});
        total += members_.back().weight;
    }
    for (Member& member : members_)
        member.weight /= total;
}

Heat Party::heat(double progress, bool shifted) const {
    Heat all(area_.pages());
    for (const Member& member : members_) {
        const auto mine = std::span(all).subspan(member.first_page, member.pages);
        member.workload->heat(mine, member.workload->extent_at(progress), shifted);
        for (float& page : mine)
            page *= static_cast<float>(member.weight);
    }
    return all;
}

Heat Party::heat_to_plan(double progress, bool shifted) const {
    Heat all = heat(progress, shifted);
    if (!shifts() || shifted)
        return all;
    const Heat afterwards = heat(progress, true);
    for (std::size_t page = 0; page < all.size(); page++)
        all[page] += later * afterwards[page];
    return all;
}

} // namespace tierload
