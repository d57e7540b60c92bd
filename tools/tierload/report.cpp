// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "guest.hpp"

namespace tierload {
namespace {

using nlohmann::json;

constexpr double nanoseconds = 1e9;

void put(const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout); // the reader goes by marks as they come
}

json event(const char* name, std::uint64_t time) {
    return {{"event", name}, {"guest_ns", time}, {"tsc", time_stamp()}};
}

} // namespace

void Report::settings(const Settings& s, const WorkloadInfo& info, std::size_t fast_bytes) const {
    if (json_)
        put(json{{"event", "settings"},
                 {"workload", info.name},
                 {"operation", info.operation},
                 {"size", s.size},
                 {"hot", s.hot},
                 {"seed", s.seed},
                 {"seconds", s.seconds},
                 {"huge_pages", s.huge},
                 {"fast_bytes", fast_bytes}}
                .dump());
    else
        put(fmt::format("{}: {}; {} MiB, hot {} MiB, seed {}, huge pages {}", info.name, info.what,
                        s.size >> 20, s.hot >> 20, s.seed, s.huge ? "on" : "off"));
}

void Report::mark(const std::string& name, std::uint64_t operations) {
    const std::uint64_t time = now();
    if (operations == 0)
        last_time_ = time; // the first interval begins at the last mark before all work
    if (!json_)
        return put(fmt::format("{:.6f} s: {}", static_cast<double>(time) / nanoseconds, name));
    json line = event(name.c_str(), time);
    line["operations"] = operations;
    line["vmstat"] = move_counters();
    for (const std::string& file : watch_)
        if (const auto value = number_in(file))
            line["watched"][file] = *value;
    put(line.dump());
}

void Report::interval(std::uint64_t operations) {
    const std::uint64_t time = now(), passed = time - last_time_,
                        done = operations - last_operations_;
    last_time_ = time;
    last_operations_ = operations;
    if (json_) {
        json line = event("interval", time);
        line.update(
            {{"interval_ns", passed}, {"interval_operations", done}, {"operations", operations}});
        return put(line.dump());
    }
    const double rate = passed ? static_cast<double>(done) * 1e3 / static_cast<double>(passed) : 0;
    put(fmt::format("{:.6f} s: {:.3f} million operations/s",
                    static_cast<double>(time) / nanoseconds, rate));
}

void Report::total(std::uint64_t operations, double seconds, std::uint64_t checksum) const {
    const double rate = static_cast<double>(operations) / seconds;
    if (json_)
        put(json{{"event", "total"},
                 {"operations", operations},
                 {"seconds", seconds},
                 {"operations_per_second", rate},
                 {"checksum", checksum}}
                .dump());
    else
        put(fmt::format("{} operations in {:.6f} guest seconds: {:.3f} million/s (checksum {:x})",
                        operations, seconds, rate / 1e6, checksum));
}

void Report::oracle(const std::string& phase, const Area& area, const Heat& heat,
                    const std::vector<bool>& chosen, std::size_t ranges_shown) const {
    const auto found = ranges(heat, chosen);
    const auto pages = static_cast<std::size_t>(std::count(chosen.begin(), chosen.end(), true));
    const double share = share_of(heat, chosen);
    const auto address = [&area](std::size_t page) {
        return reinterpret_cast<std::uintptr_t>(area.base()) + page * page_size;
    };
    json shown = json::array();
    if (!json_)
        put(fmt::format("oracle, {}: the hottest {} MiB, {} ranges, get {:.4f} of the accesses",
                        phase, pages * page_size >> 20, found.size(), share));
    for (std::size_t i = 0; i < std::min(found.size(), ranges_shown); i++) {
        const auto& [first, count, part] = found[i];
        if (json_)
            shown.push_back({{"first", fmt::format("{:#x}", address(first))},
                             {"end", fmt::format("{:#x}", address(first + count))},
                             {"share", part}});
        else
            put(fmt::format("  {:#x}-{:#x} {:.6f}", address(first), address(first + count), part));
    }
    if (json_)
        put(json{{"event", "oracle"},
                 {"phase", phase},
                 {"fast_bytes", pages * page_size},
                 {"share", share},
                 {"range_count", found.size()},
                 {"ranges", std::move(shown)}}
                .dump());
    else if (found.size() > ranges_shown)
        put(fmt::format("  ... and {} more", found.size() - ranges_shown));
}

} // namespace tierload
