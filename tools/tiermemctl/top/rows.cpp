// SPDX-License-Identifier: GPL-2.0-or-later
// rows.cpp - what `top` shows of a machine
#include "rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"

namespace tiermemctl {
namespace {

constexpr double MS_PER_SECOND = 1e3, NS_PER_SECOND = 1e9;
constexpr int FAST = static_cast<int>(Device::FAST);
constexpr uint64_t PERMILLE_SLACK =
    5; // of the tier: pages that QEMU itself or the firmware has touched

// How much a counter has risen; nothing if it is not there, or was reset.
std::optional<double> risen(std::optional<uint64_t> before, std::optional<uint64_t> now) {
    if (!before || !now || *now < *before)
        return std::nullopt;
    return static_cast<double>(*now - *before);
}

std::optional<double> per_second(std::optional<double> rise, uint64_t ms) {
    return rise && ms > 0 ? std::optional(*rise * MS_PER_SECOND / static_cast<double>(ms))
                          : std::nullopt;
}

std::optional<double> share_of_fast(const Device& device, const Statistics& before) {
    double fast = 0, all = 0;
    for (const Tier& tier : device.tiers) {
        const int number = static_cast<int>(tier.number);
        const auto rise = risen(before.get("samples", number), device.stats.get("samples", number));
        fast += number == FAST ? rise.value_or(0) : 0;
        all += rise.value_or(0);
    }
    return all > 0 ? std::optional(fast / all) : std::nullopt;
}

std::optional<uint64_t> oom_reclaims(const Statistics& stats) {
    const auto of_none = stats.sum("oom-reclaims", Statistics::NO_TIER);
    return of_none ? of_none : stats.sum("oom-reclaims", FAST);
}

std::string pressure(const Device& device) {
    const Tier& fast = device.fast();
    if (!device.driver_ready)
        return "no driver";
    const uint64_t slack = fast.size / 1000 * PERMILLE_SLACK;
    if (fast.resident && *fast.resident > std::max(fast.requested, fast.actual) + slack)
        return fmt::format("trespasses {}",
                           format_short(*fast.resident - std::max(fast.requested, fast.actual)));
    if (!device.stats.doubts.empty())
        return "doubtful " + device.stats.doubts.front();
    if (fast.actual > fast.requested)
        return fmt::format("{} over quota", format_short(fast.actual - fast.requested));
    if (fast.actual < fast.requested)
        return fmt::format("{} to take", format_short(fast.requested - fast.actual));
    return device.discard_possible ? "" : "pinned";
}

Row row_of(const Machine& machine, const Device& device) {
    const Tier& fast = device.fast();
    Row row;
    row.machine = machine.name();
    row.service_class = device.qos.service_class;
    row.weight = device.qos.weight;
    row.size = fast.size;
    row.quota = fast.requested;
    row.actual = fast.actual;
    row.resident = fast.resident;
    for (size_t i = 1; i < device.tiers.size(); i++) {
        row.slow_quota += device.tiers[i].requested;
        row.slow_actual += device.tiers[i].actual;
    }
    row.free = device.stats.get("free", FAST);
    row.pressure = pressure(device);
    return row;
}

json or_null(const auto& value) {
    return value ? json(*value) : json(nullptr);
}

} // namespace

void Rows::add_rates(const Device& device, uint64_t now_ms, Past& past, Row& row) {
    if (!device.stats.age_ms)
        return;
    const uint64_t at_ms = now_ms - std::min(now_ms, *device.stats.age_ms);
    const bool first = !past.stats.age_ms;
    // The same statistics again differ by what the question has taken.
    constexpr uint64_t SAME_MS = 50;
    const bool same = !first && at_ms < past.at_ms + SAME_MS;
    if (!same && !first) {
        const uint64_t ms = at_ms - past.at_ms;
        row.fast_share = share_of_fast(device, past.stats);
        row.promoted = per_second(
            risen(past.stats.get("promoted", FAST), device.stats.get("promoted", FAST)), ms);
        row.demoted =
            per_second(risen(past.stats.sum("demoted", 1), device.stats.sum("demoted", 1)), ms);
        const auto ns = per_second(risen(past.stats.sum("cpu-time", Statistics::NO_TIER),
                                         device.stats.sum("cpu-time", Statistics::NO_TIER)),
                                   ms);
        row.cpu = ns ? std::optional(*ns / NS_PER_SECOND) : std::nullopt;
        const auto ooms = risen(oom_reclaims(past.stats), oom_reclaims(device.stats));
        if (ooms.value_or(0) > 0)
            row.pressure = fmt::format("out of memory, {:.0f} times", *ooms);
    } else {
        row.fast_share = past.row.fast_share;
        row.promoted = past.row.promoted;
        row.demoted = past.row.demoted;
        row.cpu = past.row.cpu;
    }
    if (!same)
        past.stats = device.stats, past.at_ms = at_ms;
    past.row = row;
}

std::vector<Row> Rows::update(const std::vector<MachinePtr>& machines,
                              const std::vector<Outcome<Device>>& devices, uint64_t now_ms) {
    std::vector<Row> rows;
    std::map<std::string, Past> kept;
    for (size_t i = 0; i < machines.size(); i++) {
        Past& past = kept[machines[i]->where()] = past_[machines[i]->where()];
        Row row;
        if (devices[i]) {
            row = row_of(*machines[i], devices[i].value());
            add_rates(devices[i].value(), now_ms, past, row);
        } else {
            row.machine = machines[i]->name();
            row.error = devices[i].failure().what();
            row.pressure = "no answer";
        }
        rows.push_back(std::move(row));
    }
    past_ = std::move(kept);
    return rows;
}

void sort_rows(std::vector<Row>& rows, Order order) {
    std::stable_sort(rows.begin(), rows.end(), [order](const Row& a, const Row& b) {
        switch (order) {
        case Order::quota:
            return a.quota > b.quota;
        case Order::share:
            return a.fast_share.value_or(2) < b.fast_share.value_or(2); // who misses most, first
        case Order::promoted:
            return a.promoted.value_or(-1) > b.promoted.value_or(-1);
        case Order::name:
            break;
        }
        return a.machine < b.machine;
    });
}

json rows_as_json(const std::vector<Row>& rows) {
    json all = json::array();
    for (const Row& row : rows) {
        if (!row.error.empty()) {
            all.push_back({{"machine", row.machine}, {"error", row.error}});
            continue;
        }
        all.push_back({{"machine", row.machine},
                       {"class", row.service_class},
                       {"weight", row.weight},
                       {"size", row.size},
                       {"quota", row.quota},
                       {"actual", row.actual},
                       {"resident", or_null(row.resident)},
                       {"slow-quota", row.slow_quota},
                       {"slow-actual", row.slow_actual},
                       {"free", or_null(row.free)},
                       {"fast-share", or_null(row.fast_share)},
                       {"promoted-per-second", or_null(row.promoted)},
                       {"demoted-per-second", or_null(row.demoted)},
                       {"cpu", or_null(row.cpu)},
                       {"pressure", row.pressure}});
    }
    return all;
}

} // namespace tiermemctl
