// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"

#include <nlohmann/json.hpp>

namespace tiermeter {
namespace {

using Json = nlohmann::ordered_json;

constexpr int version = 1;

Json tier_json(std::size_t number, const Tier& tier) {
    Json ranges = Json::array();
    for (const auto& range : tier.ranges)
        ranges.push_back({{"address", range.address}, {"size", range.size}});
    return {{"tier", number},
            {"node", tier.node},
            {"latency_ns", tier.latency},
            {"bandwidth", tier.bandwidth},
            {"ranges", ranges}};
}

Json side_json(std::uint64_t instructions, const Accesses& counts, std::size_t tiers) {
    const auto misses = counts.misses.begin();
    return {{"instructions", instructions},
            {"accesses", counts.accesses},
            {"misses", Json(std::vector(misses, misses + static_cast<std::ptrdiff_t>(tiers)))},
            {"stall_ns", counts.stall_ns}};
}

Json hypervisor_json(const HypervisorSettings& settings) {
    return {{"fast", settings.fast},
            {"scan_ns", settings.scan_ns},
            {"batch", settings.batch},
            {"bandwidth", settings.bandwidth},
            {"flush_ns", settings.flush_ns},
            {"walk_ns", settings.walk_references * settings.reference_ns},
            {"charge_tracking", settings.charge_tracking},
            {"charge_copies", settings.charge_copies}};
}

} // namespace

Json report_start(const Options& options, const std::vector<Tier>& tiers, std::uint32_t tlb_entries,
                  std::uint32_t instruction_ns) {
    Json all = Json::array();
    for (std::size_t i = 0; i < tiers.size(); i++)
        all.push_back(tier_json(i, tiers[i]));
    Json report{
        {"type", "start"},
        {"version", version},
        {"clock", options.clock},
        {"ns_per_instruction", instruction_ns},
        {"llc",
         {{"size", options.llc.size}, {"ways", options.llc.ways}, {"line", options.llc.line}}},
        {"tlb_entries", tlb_entries},
        {"tiers", all}};
    if (options.hypervisor.fast)
        report["hypervisor"] = hypervisor_json(options.hypervisor);
    return report;
}

Json report_counts(const char* type, std::uint64_t time_ns, unsigned vcpus, std::size_t tiers,
                   const InstructionCount& instructions, const AccessMeter& accesses) {
    Json all = Json::array();
    for (unsigned i = 0; i < vcpus; i++) {
        const auto executed = instructions.of_vcpu(i);
        all.push_back({{"user", side_json(executed.user, accesses.of_vcpu(i, user), tiers)},
                       {"kernel", side_json(executed.kernel, accesses.of_vcpu(i, kernel), tiers)}});
    }
    Json report{{"type", type}, {"time_ns", time_ns}, {"vcpus", all}};
    if (const auto done = accesses.hypervisor(); done.walks)
        report["hypervisor"] = {{"scans", done.scans},
                                {"walks", done.walks},
                                {"moved", done.moved},
                                {"tracking_ns", done.tracking_ns},
                                {"copy_ns", done.copy_ns}};
    return report;
}

} // namespace tiermeter
