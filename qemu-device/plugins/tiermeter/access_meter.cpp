// SPDX-License-Identifier: GPL-2.0-or-later
#include "access_meter.h"

#include <bit>
#include <stdexcept>

namespace tiermeter {
namespace {

constexpr std::uint64_t upper_half = std::uint64_t{1} << 63;
constexpr unsigned lock_count = 256;     // a power of two
constexpr std::uint64_t max_access = 16; // bytes that QEMU accesses at once

// QEMU's callbacks carry one word of ours, which tells the side.
AccessMeter* meter;

template<Side side>
void accessed(unsigned vcpu, qemu_plugin_meminfo_t info, std::uint64_t address, void*) {
    meter->access(vcpu, side, info, address);
}

// Written by one thread, read by others.
void add(std::uint64_t& place, std::uint64_t value) {
    const std::atomic_ref shared(place);
    shared.store(shared.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

std::uint64_t get(const std::uint64_t& place) {
    return std::atomic_ref(const_cast<std::uint64_t&>(place)).load(std::memory_order_relaxed);
}

class Locked {
public:
    explicit Locked(std::atomic_flag& flag) : flag_(flag) {
        while (flag_.test_and_set(std::memory_order_acquire))
            ;
    }
    ~Locked() { flag_.clear(std::memory_order_release); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

private:
    std::atomic_flag& flag_;
};

} // namespace

AccessMeter::AccessMeter(const AccessSettings& settings)
    : settings_(settings), cache_(settings.llc), line_bits_(cache_.line_bits()),
      instruction_shift_(settings.instruction_ns
                             ? static_cast<unsigned>(std::countr_zero(settings.instruction_ns))
                             : 0),
      vcpus_(settings.vcpus), map_({}) {
    // With the clock all vCPUs take turns on one thread.
    if (settings.vcpus > 1 && !settings.instruction_ns)
        locks_ = std::make_unique<std::atomic_flag[]>(lock_count);
    meter = this;
}

void AccessMeter::learn(const std::vector<Tier>& tiers) {
    map_ = TierMap(tiers);
    if (map_.end() >> line_bits_ >= UINT32_MAX)
        throw std::invalid_argument("llc-line=" + std::to_string(settings_.llc.line) +
                                    ": lines are too small for memory up to " +
                                    std::to_string(map_.end()) + " bytes");
    for (const auto& tier : tiers)
        timing_.emplace_back(tier);
    if (settings_.hypervisor.fast)
        hypervisor_.emplace(settings_.hypervisor, std::array{tiers[0].latency, tiers[1].latency},
                            settings_.vcpus, map_.end() >> page_bits);
}

void AccessMeter::each(std::uint64_t interval, AtTime act) {
    interval_ = interval;
    next_time_ = interval;
    act_ = std::move(act);
}

void AccessMeter::instrument(qemu_plugin_tb* block) const {
    const auto callback =
        qemu_plugin_tb_vaddr(block) >= upper_half ? accessed<kernel> : accessed<user>;
    for (std::size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, i), callback,
                                         QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, nullptr);
}

Accesses AccessMeter::of_vcpu(unsigned vcpu, Side side) const {
    const Accesses& now = vcpus_[vcpu].counts[side];
    Accesses read{.accesses = get(now.accesses), .misses = {}, .stall_ns = get(now.stall_ns)};
    for (std::size_t tier = 0; tier < max_tiers; tier++)
        read.misses[tier] = get(now.misses[tier]);
    return read;
}

void AccessMeter::access(unsigned vcpu_index, Side side, std::uint32_t info,
                         std::uint64_t address) {
    Vcpu& vcpu = vcpus_[vcpu_index];
    Accesses& counts = vcpu.counts[side];
    add(counts.accesses, 1);
    const std::uint64_t line = address >> line_bits_;
    // An access to the same line as the one before is served by the same memory: what can change
    // the translation makes accesses itself.
    Served served = by_same_line;
    if (line != vcpu.last_line) {
        served = touch(vcpu, counts, info, address);
        vcpu.last_line = line;
    }
    // The last byte is in another line only near the end of this one.
    if ((address + max_access - 1) >> line_bits_ != line) [[unlikely]] {
        const auto last = address + (std::uint64_t{1} << qemu_plugin_mem_size_shift(info)) - 1;
        if (last >> line_bits_ != line) {
            served = std::min(served, touch(vcpu, counts, info, last));
            vcpu.last_line = last >> line_bits_;
        }
    }
    vcpu.recent[vcpu.next++ % remembered] = {address, served, qemu_plugin_mem_is_store(info)};
}

AccessMeter::Served AccessMeter::touch(Vcpu& vcpu, Accesses& counts, std::uint32_t info,
                                       std::uint64_t address) {
    const auto physical = qemu_meter_ram_address(info, address);
    if (physical == QEMU_METER_NO_RAM)
        return by_llc;
    if (hypervisor_ && map_.of_page(physical >> page_bits) != no_tier)
        if (const auto ns = hypervisor_->touch(physical >> page_bits))
            charge(vcpu, ns);
    if (cached(static_cast<std::uint32_t>(physical >> line_bits_)))
        return by_llc;
    return miss(vcpu, counts, physical);
}

bool AccessMeter::cached(std::uint32_t line) {
    if (!locks_)
        return cache_.touch(line);
    const Locked guard(locks_[line % lock_count]);
    return cache_.touch(line);
}

AccessMeter::Served AccessMeter::miss(Vcpu& vcpu, Accesses& counts, std::uint64_t address) {
    TierId tier = map_.of_page(address >> page_bits);
    if (tier == no_tier)
        return by_llc;
    if (hypervisor_)
        tier = hypervisor_->tier(address >> page_bits);
    add(counts.misses[tier], 1);
    if (settings_.instruction_ns)
        stall(vcpu, counts, tier);
    return tier;
}

void AccessMeter::stall(Vcpu& vcpu, Accesses& counts, TierId tier) {
    TierTiming& timing = timing_[tier];
    const auto start = timing.limited() ? time() : 0;
    const auto ns = timing.serve(start, settings_.llc.line);
    add(counts.stall_ns, ns);
    charge(vcpu, ns);
}

void AccessMeter::charge(Vcpu& vcpu, std::uint64_t ns) {
    auto now = pass(vcpu, ns);
    if (hypervisor_)
        if (const auto more = hypervisor_->advance(now))
            now = pass(vcpu, more);
    last_time_.store(now, std::memory_order_relaxed);
    if (now >= next_time_) [[unlikely]] {
        next_time_ = now - now % interval_ + interval_;
        act_(now);
    }
}

// Lets time pass; what is less than an instruction's is owed until the next time.
std::uint64_t AccessMeter::pass(Vcpu& vcpu, std::uint64_t ns) {
    const std::uint64_t owed = vcpu.owed_ns + ns;
    vcpu.owed_ns = static_cast<std::uint32_t>(owed & (settings_.instruction_ns - 1));
    return static_cast<std::uint64_t>(qemu_meter_pass_time(owed >> instruction_shift_));
}

void AccessMeter::describe(unsigned vcpu_index, const X86MemAccess& access,
                           X86MemCost& cost) const {
    const Vcpu& vcpu = vcpus_[vcpu_index];
    cost.latency = settings_.hit_latency;
    cost.source = X86_MEM_L3;
    for (unsigned i = 1; i <= remembered; i++) {
        const Recent& recent = vcpu.recent[(vcpu.next - i) % remembered];
        if (recent.address != access.addr || recent.store != access.store)
            continue;
        if (recent.served == by_same_line)
            cost.source = X86_MEM_L1;
        else if (recent.served != by_llc) {
            cost.latency = timing_[recent.served].latency();
            cost.source = recent.served == 0 ? X86_MEM_LOCAL_DRAM : X86_MEM_REMOTE_DRAM;
        }
        return;
    }
}

} // namespace tiermeter
