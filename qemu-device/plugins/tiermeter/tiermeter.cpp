// SPDX-License-Identifier: GPL-2.0-or-later
// tiermeter: a TCG plugin that says what a machine's vCPUs execute and which memory serves them,
// and that can let guest time pass accordingly. docs/tiermeter.md describes it.
//
//   qemu-system-x86_64 -plugin tiermeter.so,log=PATH[,clock=on]... ...
//
//   translated block -> instruction_count -> ticker -> published_counts
//                    -> access_meter      -> report -> json_log
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "access_meter.h"
#include "instruction_count.h"
#include "json_log.h"
#include "marks.h"
#include "options.h"
#include "published_counts.h"
#include "report.h"
#include "ticker.h"

extern "C" {
QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
}

namespace tiermeter {
namespace {

void on_mark(unsigned vcpu, void* number);

constexpr std::uint32_t clocked_tlb_entries = 2048; // as many as a current CPU has

std::uint32_t instruction_ns(const Options& options, unsigned vcpus) {
    if (!options.clock)
        return 0;
    // QEMU 10.0 names the wrong vCPU to plugins where several take turns on one thread, as with
    // icount.
    if (vcpus != 1)
        throw std::invalid_argument("clock=on needs a machine with one vCPU: -smp 1");
    const auto ns = qemu_meter_instruction_ns();
    if (!ns)
        throw std::invalid_argument("clock=on needs a machine whose time is made of instructions: "
                                    "-icount shift=N,sleep=off");
    return ns;
}

// The machine's tiers; on the thread of a vCPU.
std::vector<Tier> find_tiers(const Options& options) {
    std::vector<QemuMeterRange> found(qemu_meter_ranges(nullptr, 0));
    qemu_meter_ranges(found.data(), found.size());
    std::vector<NodeRange> ranges;
    for (const auto& range : found)
        ranges.push_back({.range = {range.address, range.size},
                          .node = range.node,
                          .tier = range.tier,
                          .latency = range.latency});
    if (options.hypervisor.fast)
        return make_hypervisor_tiers(ranges, options.latency, options.bandwidth);
    return make_tiers(ranges, options.latency, options.bandwidth);
}

// Accesses and their log.
class AccessLog {
public:
    AccessLog(const Options& options, unsigned vcpus, const InstructionCount& instructions)
        : options_(options), vcpus_(vcpus), instruction_ns_(instruction_ns(options, vcpus)),
          tlb_entries_(options.tlb_entries.value_or(options.clock ? clocked_tlb_entries : 0)),
          instructions_(instructions), accesses_({.llc = options.llc,
                                                  .vcpus = vcpus,
                                                  .instruction_ns = instruction_ns_,
                                                  .hit_latency = options.hit_latency,
                                                  .hypervisor = options.hypervisor}),
          log_(options.log), ticker_(options.interval, [this] { sample(since_start()); }) {
        if (tlb_entries_)
            qemu_meter_fix_tlb(static_cast<unsigned>(std::countr_zero(tlb_entries_)));
        const std::chrono::nanoseconds interval = options.interval;
        if (options.clock)
            accesses_.each(static_cast<std::uint64_t>(interval.count()),
                           [this](std::uint64_t now) { sample(now); });
        x86_set_memory_model(
            [](void* meter, unsigned vcpu, const X86MemAccess* access, X86MemCost* cost) {
                static_cast<const AccessMeter*>(meter)->describe(vcpu, *access, *cost);
            },
            &accesses_);
    }

    void translated(qemu_plugin_tb* block) {
        std::call_once(learned_, [this] { learn(); });
        accesses_.instrument(block);
        for (std::size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++)
            if (auto* const instruction = qemu_plugin_tb_get_insn(block, i);
                const auto mark = mark_of(instruction))
                qemu_plugin_register_vcpu_insn_exec_cb(
                    instruction, on_mark, QEMU_PLUGIN_CB_NO_REGS,
                    reinterpret_cast<void*>(std::uintptr_t{*mark}));
    }

    void mark(unsigned vcpu, std::uintptr_t number) {
        auto report = counts("mark", options_.clock ? accesses_.time() : since_start());
        report["vcpu"] = vcpu;
        report["mark"] = number;
        write(report);
    }

    void end() {
        ticker_.end();
        if (tiers_)
            write(counts("total", options_.clock ? accesses_.last_time() : since_start()));
    }

private:
    using Clock = std::chrono::steady_clock;

    // The machine is complete when its first block is translated. It cannot refuse to start any
    // more.
    void learn() {
        try {
            const auto tiers = find_tiers(options_);
            accesses_.learn(tiers);
            write(report_start(options_, tiers, tlb_entries_, instruction_ns_));
            tiers_ = tiers.size();
        } catch (const std::exception& problem) {
            std::fprintf(stderr, "tiermeter: %s\n", problem.what());
            std::_Exit(1);
        }
        start_ = Clock::now();
        if (!options_.clock)
            ticker_.start();
    }

    [[nodiscard]] std::uint64_t since_start() const {
        const std::chrono::nanoseconds passed = Clock::now() - start_;
        return static_cast<std::uint64_t>(passed.count());
    }

    void sample(std::uint64_t now) { write(counts("sample", now)); }

    [[nodiscard]] nlohmann::ordered_json counts(const char* type, std::uint64_t now) const {
        return report_counts(type, now, vcpus_, tiers_, instructions_, accesses_);
    }

    // From the threads of vCPUs and from the ticker's.
    void write(const nlohmann::ordered_json& object) {
        const std::lock_guard guard(log_mutex_);
        log_.write(object);
    }

    const Options options_;
    const unsigned vcpus_;
    const std::uint32_t instruction_ns_;
    const std::uint32_t tlb_entries_;
    const InstructionCount& instructions_;
    AccessMeter accesses_;
    std::mutex log_mutex_;
    JsonLog log_; // under log_mutex_
    std::once_flag learned_;
    std::size_t tiers_ = 0;
    Clock::time_point start_;
    Ticker ticker_; // last: it uses all the others
};

// Instruction counts that others map.
class CountsFile {
public:
    CountsFile(const Options& options, unsigned vcpus, const InstructionCount& instructions)
        : vcpus_(vcpus), published_(options.counts, vcpus),
          ticker_(options.period, [this, &instructions] { published_.refresh(instructions); }) {}

    // Counts are read from outside of the vCPUs only when no more of them can come.
    void vcpu_started() {
        if (++started_ == vcpus_)
            ticker_.start();
    }
    void end() { ticker_.end(); }

private:
    const unsigned vcpus_;
    std::atomic<unsigned> started_ = 0;
    PublishedCounts published_;
    Ticker ticker_;
};

class Meter {
public:
    Meter(const Options& options, unsigned vcpus) : instructions_(options.range) {
        if (!options.counts.empty())
            counts_.emplace(options, vcpus, instructions_);
        if (!options.log.empty())
            accesses_.emplace(options, vcpus, instructions_);
    }

    void translated(qemu_plugin_tb* block) {
        instructions_.instrument(block);
        if (accesses_)
            accesses_->translated(block);
    }

    void mark(unsigned vcpu, std::uintptr_t number) { accesses_->mark(vcpu, number); }

    void vcpu_started() {
        if (counts_)
            counts_->vcpu_started();
    }

    void end() {
        if (counts_)
            counts_->end();
        if (accesses_)
            accesses_->end();
    }

private:
    InstructionCount instructions_;
    std::optional<CountsFile> counts_;
    std::optional<AccessLog> accesses_;
};

// QEMU's callbacks carry no data of ours. Never deleted: blocks refer to it.
Meter* meter;

void on_mark(unsigned vcpu, void* number) {
    meter->mark(vcpu, reinterpret_cast<std::uintptr_t>(number));
}

void install(qemu_plugin_id_t id, const qemu_info_t& info, int argc, char** argv) {
    if (!info.system_emulation)
        throw std::invalid_argument("only machines can be metered, not single programs");
    if (info.system.smp_vcpus != info.system.max_vcpus)
        throw std::invalid_argument("-smp: maxcpus: vCPUs that come later cannot be metered");
    const auto options = parse_options(argc, argv);
    meter = new Meter(options, static_cast<unsigned>(info.system.smp_vcpus));
    qemu_plugin_register_vcpu_init_cb(id,
                                      [](qemu_plugin_id_t, unsigned) { meter->vcpu_started(); });
    qemu_plugin_register_vcpu_tb_trans_cb(
        id, [](qemu_plugin_id_t, qemu_plugin_tb* block) { meter->translated(block); });
    qemu_plugin_register_atexit_cb(
        id, [](qemu_plugin_id_t, void*) { meter->end(); }, nullptr);
}

} // namespace
} // namespace tiermeter

extern "C" QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info,
                                                      int argc, char** argv) {
    try {
        tiermeter::install(id, *info, argc, argv);
        return 0;
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "tiermeter: %s\n", problem.what());
        return -1;
    }
}
