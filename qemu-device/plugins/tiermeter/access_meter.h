// SPDX-License-Identifier: GPL-2.0-or-later
// Data accesses of the vCPUs: which miss the modelled cache, which tier serves them, and what that
// costs.
//
//   memory callback -> same line as before? -> address -> cache_model -> tiers -> counts
//                                                                     -> tier_timing -> guest time
//
// Counts are written by the vCPU's own thread and may be read by any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cache_model.h"
#include "hypervisor.h"
#include "qemu_plugin.h"
#include "tier_timing.h"
#include "tiers.h"

namespace tiermeter {

enum Side : std::uint8_t { user, kernel, sides };

struct Accesses {
    std::uint64_t accesses = 0;
    std::array<std::uint64_t, max_tiers> misses{};
    std::uint64_t stall_ns = 0; // what the clock was charged for them
};

// Nanoseconds of guest time at which something is to happen; called by the thread of a vCPU.
using AtTime = std::function<void(std::uint64_t now)>;

struct AccessSettings {
    CacheShape llc;
    unsigned vcpus = 1;
    std::uint32_t instruction_ns = 0; // 0: no model clock
    std::uint32_t hit_latency = 0;    // ns, in records
    HypervisorSettings hypervisor;    // with the model clock only
};

class AccessMeter {
public:
    explicit AccessMeter(const AccessSettings& settings);

    // Where memory is; before the first block is instrumented. Throws std::invalid_argument when
    // the modelled cache cannot name all of it.
    void learn(const std::vector<Tier>& tiers);
    // With the model clock: `act` is called each time that guest time has passed a multiple of
    // `interval` ns.
    void each(std::uint64_t interval, AtTime act);

    // To be called for each block as it is translated.
    void instrument(qemu_plugin_tb* block) const;
    [[nodiscard]] Accesses of_vcpu(unsigned vcpu, Side side) const;
    // What the modelled hypervisor did; all 0 without one. Exact on the thread of a vCPU.
    [[nodiscard]] HypervisorCounts hypervisor() const {
        return hypervisor_ ? hypervisor_->counts() : HypervisorCounts{};
    }
    // With the model clock, in ns: guest time now, on the thread of a vCPU that executes; when an
    // access was charged for the last time, from any thread.
    [[nodiscard]] static std::uint64_t time() {
        return static_cast<std::uint64_t>(qemu_meter_pass_time(0));
    }
    [[nodiscard]] std::uint64_t last_time() const {
        return last_time_.load(std::memory_order_relaxed);
    }

    // One access, on the thread of the vCPU.
    void access(unsigned vcpu, Side side, std::uint32_t info, std::uint64_t address);
    // What a record says of an access that the instruction that is being completed has made.
    void describe(unsigned vcpu, const X86MemAccess& access, X86MemCost& cost) const;

private:
    // How an access was served: by a tier, or by a cache.
    using Served = std::uint8_t;
    static constexpr Served by_same_line = 254; // the line that was used just before
    static constexpr Served by_llc = 255;

    struct Recent {
        std::uint64_t address;
        Served served;
        bool store; // an instruction that updates memory loads first, and it is the load that waits
    };

    static constexpr unsigned remembered =
        8; // accesses, more than an instruction with a record makes

    struct alignas(64) Vcpu {
        std::uint64_t last_line = UINT64_MAX; // virtual
        unsigned next = 0;
        std::uint32_t owed_ns = 0; // less than an instruction takes
        std::array<Recent, remembered> recent{};
        std::array<Accesses, sides> counts{};
    };

    Served touch(Vcpu& vcpu, Accesses& counts, std::uint32_t info, std::uint64_t address);
    bool cached(std::uint32_t line);
    Served miss(Vcpu& vcpu, Accesses& counts, std::uint64_t address);
    void stall(Vcpu& vcpu, Accesses& counts, TierId tier);
    void charge(Vcpu& vcpu, std::uint64_t ns);
    std::uint64_t pass(Vcpu& vcpu, std::uint64_t ns);

    AccessSettings settings_;
    CacheModel cache_;
    unsigned line_bits_;
    unsigned instruction_shift_;
    std::unique_ptr<std::atomic_flag[]> locks_; // of cache lines, where vCPUs run at the same time
    std::vector<Vcpu> vcpus_;
    TierMap map_;
    std::vector<TierTiming> timing_;
    std::optional<HypervisorTiering> hypervisor_;
    std::atomic<std::uint64_t> last_time_ = 0;
    std::uint64_t interval_ = 0;
    std::uint64_t next_time_ = UINT64_MAX;
    AtTime act_;
};

} // namespace tiermeter
