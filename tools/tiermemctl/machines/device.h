// SPDX-License-Identifier: GPL-2.0-or-later
// device.h - a machine's virtio-tiermem device as query-tiermem describes it
//
// The fields are those of qemu-device/qapi/tiermem.json. A reply is checked before anything is made
// of it: QEMU may be another one than ours, or taken over by its guest.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "machine.h"

namespace tiermemctl {

struct Tier {
    uint32_t number = 0;
    std::string name;
    uint32_t node = 0;
    // bytes
    uint64_t size = 0, requested = 0, actual = 0;
    std::optional<uint64_t> resident; // none where the host cannot tell
    uint64_t block_size = 0;
};

struct Qos {
    std::string service_class;
    uint32_t weight = 0;
    uint64_t fast_min = 0;            // bytes
    uint64_t migration_bandwidth = 0; // bytes per second; 0: no limit
    uint32_t cpu_budget = 0;          // permille of a virtual CPU
    uint32_t shrink_deadline_ms = 0;  // 0: none
};

// What the guest claims.
class Statistics {
public:
    static constexpr int NO_TIER = -1;

    std::optional<uint64_t> age_ms;  // none: nothing has come yet
    std::vector<std::string> doubts; // why the device does not believe them (TiermemDoubt)

    void set(const std::string& name, int tier, uint32_t index, uint64_t value) {
        values_[{name, tier, index}] = value;
    }
    [[nodiscard]] std::optional<uint64_t> get(const std::string& name, int tier,
                                              uint32_t index = 0) const;
    // The values of one name and tier by rising index.
    [[nodiscard]] std::vector<std::pair<uint32_t, uint64_t>> series(const std::string& name,
                                                                    int tier) const;
    // The sum over all indices; nothing where there is none.
    [[nodiscard]] std::optional<uint64_t> sum(const std::string& name, int tier) const;

private:
    std::map<std::tuple<std::string, int, uint32_t>, uint64_t> values_;
};

// nlohmann's json promises to move without exceptions; what it calls for that could throw.
struct Device { // NOLINT(bugprone-exception-escape)
    static constexpr uint32_t FAST = 0;

    std::string id;
    bool driver_ready = false;
    bool discard_possible = false;
    std::vector<Tier> tiers; // fastest first, at least one
    Qos qos;
    Statistics stats;
    json raw; // the whole, also what is not above

    // A tier by its number, or nullptr.
    [[nodiscard]] const Tier* tier(uint32_t number) const;
    // Its fastest tier.
    [[nodiscard]] const Tier& fast() const { return tiers.front(); }
};

// What a reply to query-tiermem says; throws Failure for what the schema does not allow, for no
// device and for several.
[[nodiscard]] Device parse_devices(const json& reply);

using DeviceReply = std::function<void(const Outcome<Device>&)>;

// Asks a machine for its device.
void query(Machine& machine, std::chrono::milliseconds limit, DeviceReply done);

using DeviceReplies = std::function<void(const std::vector<Outcome<Device>>&)>;

// Asks many machines, a limited number at a time. Results in the order of the machines; `done`
// comes from the main loop.
void query_each(const std::vector<MachinePtr>& machines, std::chrono::milliseconds limit,
                DeviceReplies done);

// The same, and runs the main loop until all have answered or their time is over.
[[nodiscard]] std::vector<Outcome<Device>> query_all(const std::vector<MachinePtr>& machines,
                                                     std::chrono::milliseconds limit);

} // namespace tiermemctl
