// SPDX-License-Identifier: GPL-2.0-or-later
// Workloads do what the oracle says that they do.
#include <cmath>
#include <criterion/criterion.h>
#include <numeric>

#include "area.hpp"
#include "heat.hpp"
#include "party.hpp"
#include "workload.hpp"

using namespace tierload;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

Settings small(const char* workload) {
    Settings settings;
    settings.workload = workload;
    settings.size = 64 * mib;
    settings.hot = 8 * mib;
    return settings;
}

struct Bench {
    explicit Bench(const char* name)
        : settings(small(name)), area(settings.size, false), party(area, settings) {}
    Settings settings;
    Area area;
    Party party;
    [[nodiscard]] std::uint64_t word(std::size_t index) const {
        return reinterpret_cast<std::uint64_t*>(area.base())[index];
    }
};

double sum(const Heat& heat) {
    return std::accumulate(heat.begin(), heat.end(), 0.0);
}

// Words that are not 0 in bytes [first, end).
std::size_t written(const Bench& bench, std::size_t first, std::size_t end) {
    std::size_t count = 0;
    for (std::size_t i = first / 8; i < end / 8; i++)
        count += bench.word(i) != 0;
    return count;
}

} // namespace

Test(workloads, heat_is_all_of_the_accesses) {
    for (const WorkloadInfo& info : workload_list()) {
        const Bench bench(info.name);
        for (const double progress : {0.0, 0.4, 1.0})
            for (const bool shifted : {false, true})
                cr_assert(std::abs(sum(bench.party.heat(progress, shifted)) - 1) < 2e-3, "%s: %f",
                          info.name, sum(bench.party.heat(progress, shifted)));
    }
}

Test(workloads, run_within_their_memory_and_do_the_same_again) {
    for (const WorkloadInfo& info : workload_list()) {
        std::uint64_t checksum[2];
        for (std::uint64_t& result : checksum) {
            Bench bench(info.name);
            for (Member& member : bench.party.members()) {
                member.workload->build();
                for (int i = 0; i < 20; i++)
                    member.workload->run(1024);
                member.workload->shift();
                member.workload->run(1024);
            }
            result = bench.party.members()[0].workload->checksum();
        }
        cr_assert_eq(checksum[0], checksum[1], "%s", info.name);
    }
}

Test(gups, updates_the_hot_region_as_often_as_it_says) {
    Bench bench("gups");
    bench.party.members()[0].workload->run(100'000);
    const auto hot = hottest(bench.party.heat(0, false), bench.settings.hot / page_size, 1);
    std::size_t first = 0;
    while (!hot[first])
        first++;
    const std::size_t begin = first * page_size, end = begin + bench.settings.hot;
    const auto inside = static_cast<double>(written(bench, begin, end));
    const auto all = static_cast<double>(written(bench, 0, bench.settings.size));
    // Counted are words: now and then two updates meet in one.
    cr_assert(inside / all > 0.88 && inside / all < 0.91, "%f", inside / all);
}

Test(shift, moves_the_heat_where_the_oracle_says) {
    Bench bench("shift");
    cr_assert(bench.party.shifts());
    bench.party.members()[0].workload->shift();
    bench.party.members()[0].workload->run(100'000);
    const Heat before = bench.party.heat(0, false), after = bench.party.heat(0, true);
    const auto hot = hottest(after, bench.settings.hot / page_size, 1);
    cr_assert(share_of(after, hot) > 0.89 && share_of(before, hot) < 0.02);
    std::size_t first = 0;
    while (!hot[first])
        first++;
    const std::size_t begin = first * page_size;
    cr_assert(written(bench, begin, begin + bench.settings.hot) > 80'000);
}

Test(shift, an_ideal_that_plans_ahead_has_both_regions) {
    const Bench bench("shift");
    const auto chosen =
        hottest(bench.party.heat_to_plan(0, false), 2 * bench.settings.hot / page_size, 1);
    cr_assert(share_of(bench.party.heat(0, false), chosen) > 0.89);
    cr_assert(share_of(bench.party.heat(0, true), chosen) > 0.89);
}

Test(heap, grows_and_its_newest_part_is_hot) {
    const Bench bench("heap");
    Workload& heap = *const_cast<Bench&>(bench).party.members()[0].workload;
    std::size_t last = 0;
    for (int percent = 0; percent <= 100; ++percent) {
        const std::size_t extent = heap.extent_at(percent / 100.0);
        cr_assert(extent >= last && extent % huge_page_size == 0 && extent <= bench.settings.size);
        last = extent;
    }
    cr_assert_eq(heap.extent_at(1), bench.settings.size);
    const Heat heat = bench.party.heat(0, false);
    const std::size_t pages = heap.extent_at(0) / page_size;
    cr_assert(heat[pages - 1] > heat[0] && heat[0] > 0 && heat[pages] == 0);
}

Test(heap, touches_nothing_beyond_its_extent) {
    Bench bench("heap");
    Workload& heap = *bench.party.members()[0].workload;
    heap.run(100'000);
    const std::size_t extent = heap.extent_at(0);
    cr_assert(written(bench, 0, extent) > 50'000);
    cr_assert_eq(written(bench, extent, bench.settings.size), 0);
    heap.begin_extent(heap.extent_at(1));
    heap.run(100'000);
    cr_assert(written(bench, bench.settings.size - bench.settings.hot, bench.settings.size) >
              50'000);
}

Test(processes, each_is_colder_than_the_one_before) {
    Bench bench("processes");
    const auto& members = bench.party.members();
    cr_assert_eq(members.size(), bench.settings.processes);
    const Heat heat = bench.party.heat(0, false);
    double before = 1;
    for (const Member& member : members) {
        double mine = 0;
        for (std::size_t page = 0; page < member.pages; page++)
            mine += static_cast<double>(heat[member.first_page + page]);
        cr_assert(mine < before * 0.6 && mine > 0.01, "%f after %f", mine, before);
        before = mine;
    }
}

Test(zipf, a_third_of_the_pages_gets_most) {
    const Bench bench("zipf");
    const Heat heat = bench.party.heat(0, false);
    const double share = share_of(heat, hottest(heat, heat.size() / 3, 1));
    cr_assert(share > 0.8 && share < 0.95, "%f", share);
}
