// SPDX-License-Identifier: GPL-2.0-or-later
// metrics.cpp - machines as Prometheus metrics
#include "metrics.h"

#include <fmt/format.h>

#include <map>

#include "machines/curve.h"

namespace tiermemctl {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double MS_PER_SECOND = 1e3, NS_PER_SECOND = 1e9, PERMILLE = 1e3;

// Collects values by the name of their metric.
class Families {
public:
    void gauge(const char* name, const char* help, Labels labels, double value) {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.gauge.value = value;
        add(name, help, MetricType::Gauge, std::move(metric));
    }
    void counter(const char* name, const char* help, Labels labels, double value) {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.counter.value = value;
        add(name, help, MetricType::Counter, std::move(metric));
    }
    [[nodiscard]] std::vector<MetricFamily> take() {
        std::vector<MetricFamily> all;
        for (auto& [name, family] : families_)
            all.push_back(std::move(family));
        return all;
    }

private:
    void add(const char* name, const char* help, MetricType type, ClientMetric metric) {
        MetricFamily& family =
            families_.try_emplace(name, MetricFamily{name, help, type, {}}).first->second;
        family.metric.push_back(std::move(metric));
    }

    std::map<std::string, MetricFamily> families_;
};

Labels with(Labels labels, const std::string& name, const std::string& value) {
    labels.push_back({name, value});
    return labels;
}

double number(uint64_t value) {
    return static_cast<double>(value);
}

void add_tier(const Tier& tier, const Labels& labels, Families& out) {
    out.gauge("tiermem_tier_size_bytes", "Most bytes that the tier can have.", labels,
              number(tier.size));
    out.gauge("tiermem_tier_requested_bytes",
              "Bytes of the tier that the guest may use (its quota).", labels,
              number(tier.requested));
    out.gauge("tiermem_tier_actual_bytes", "Bytes of the tier that the guest has not surrendered.",
              labels, number(tier.actual));
    if (tier.resident)
        out.gauge("tiermem_tier_resident_bytes",
                  "Bytes of the tier that the host has populated, as QEMU measures.", labels,
                  number(*tier.resident));
}

void add_qos(const Qos& qos, const Labels& labels, Families& out) {
    out.gauge("tiermem_qos_class_info", "Service class, in the label class; always 1.",
              with(labels, "class", qos.service_class), 1);
    out.gauge("tiermem_qos_weight", "Share relative to other machines.", labels, qos.weight);
    out.gauge("tiermem_qos_fast_min_bytes", "Guaranteed minimum of fast memory.", labels,
              number(qos.fast_min));
    out.gauge("tiermem_qos_migration_bandwidth_bytes_per_second",
              "Most bytes per second moved between tiers; 0: no limit.", labels,
              number(qos.migration_bandwidth));
    out.gauge("tiermem_qos_cpu_budget_ratio", "Part of a virtual CPU that may be spent on tiering.",
              labels, qos.cpu_budget / PERMILLE);
}

// Statistics of the guest that there is one of for each tier.
struct TierStatistic {
    const char *statistic, *name, *help;
    bool counter;
};
constexpr TierStatistic TIER_STATISTICS[] = {
    {"total", "tiermem_guest_tier_total_bytes",
     "Bytes of the tier that the guest manages, as it claims.", false},
    {"free", "tiermem_guest_tier_free_bytes",
     "Bytes of the tier that are free, as the guest claims.", false},
    {"reclaimable", "tiermem_guest_tier_reclaimable_bytes",
     "Bytes that can be freed without swapping, as the guest claims.", false},
    {"promoted", "tiermem_guest_promoted_bytes_total",
     "Bytes moved to the tier from slower ones, as the guest claims.", true},
    {"demoted", "tiermem_guest_demoted_bytes_total",
     "Bytes moved to the tier from faster ones, as the guest claims.", true},
    {"samples", "tiermem_guest_samples_total",
     "Sampled accesses that the tier served, as the guest claims.", true}};

void add_tier_statistics(const Statistics& stats, const Tier& tier, const Labels& labels,
                         Families& out) {
    for (const TierStatistic& one : TIER_STATISTICS) {
        const auto value = stats.get(one.statistic, static_cast<int>(tier.number));
        if (value && one.counter)
            out.counter(one.name, one.help, labels, number(*value));
        else if (value)
            out.gauge(one.name, one.help, labels, number(*value));
    }
    for (const auto& [cause, pairs] :
         stats.series("exchange-failed", static_cast<int>(tier.number)))
        out.counter("tiermem_guest_exchanges_failed_total",
                    "Pairs of pages that were not exchanged, by cause, as the guest claims.",
                    with(labels, "cause", fmt::format("{}", cause)), number(pairs));
}

void add_statistics(const Statistics& stats, const Labels& labels, Families& out) {
    if (stats.age_ms)
        out.gauge("tiermem_guest_statistics_age_seconds", "Time since the guest sent statistics.",
                  labels, number(*stats.age_ms) / MS_PER_SECOND);
    for (const std::string& doubt : stats.doubts)
        out.gauge("tiermem_guest_statistics_doubted",
                  "Statistics of the guest that cannot be true, by reason; always 1.",
                  with(labels, "reason", doubt), 1);
    for (const auto& [stage, ns] : stats.series("cpu-time", Statistics::NO_TIER))
        out.counter("tiermem_guest_cpu_seconds_total",
                    "CPU time spent on tiering, by stage, as the guest claims.",
                    with(labels, "stage", fmt::format("{}", stage)), number(ns) / NS_PER_SECOND);
    for (const int tier : {Statistics::NO_TIER, static_cast<int>(Device::FAST)})
        if (const auto count = stats.sum("oom-reclaims", tier)) {
            out.counter("tiermem_guest_oom_reclaims_total",
                        "Reclaims under memory pressure, as the guest claims.", labels,
                        number(*count));
            break;
        }
    const Curve curve = curve_of(stats);
    for (size_t i = 0; i < curve.points.size(); i++) {
        const Labels point = with(labels, "point", fmt::format("{}", i));
        out.gauge(
            "tiermem_guest_curve_bytes",
            "Bytes of the hottest memory up to a point of the hotness curve, as the guest claims.",
            point, number(curve.points[i].bytes));
        out.gauge("tiermem_guest_curve_accesses_per_second",
                  "Accesses per second within those bytes, as the guest claims.", point,
                  number(curve.points[i].rate));
    }
}

void add_device(const Device& device, const Labels& labels, Families& out) {
    out.gauge("tiermem_driver_ready", "Whether a guest driver has started the device.", labels,
              device.driver_ready ? 1 : 0);
    out.gauge("tiermem_discard_possible", "Whether the host can take memory back now.", labels,
              device.discard_possible ? 1 : 0);
    for (const Tier& tier : device.tiers) {
        const Labels of_tier = with(labels, "tier", tier.name);
        add_tier(tier, of_tier, out);
        add_tier_statistics(device.stats, tier, of_tier, out);
    }
    add_qos(device.qos, labels, out);
    add_statistics(device.stats, labels, out);
}

} // namespace

std::vector<MetricFamily> metrics_of(const std::vector<MachinePtr>& machines,
                                     const std::vector<Outcome<Device>>& devices) {
    Families families;
    for (size_t i = 0; i < machines.size(); i++) {
        const Labels labels = {{"machine", machines[i]->name()}};
        families.gauge("tiermem_up", "Whether the machine answered.", labels, devices[i] ? 1 : 0);
        if (devices[i])
            add_device(devices[i].value(), labels, families);
    }
    return families.take();
}

} // namespace tiermemctl
