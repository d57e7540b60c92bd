// SPDX-License-Identifier: GPL-2.0-or-later
// device.cpp - a machine's virtio-tiermem device as query-tiermem describes it
#include "device.h"

#include <fmt/format.h>

#include <bit>
#include <limits>

#include "base/glib.h"

namespace tiermemctl {
namespace {

constexpr size_t MAX_TIERS = 8; // of the format
constexpr size_t MAX_DOUBTS = 64;
constexpr size_t MAX_STATS = 4096; // far above what a device keeps
constexpr size_t AT_A_TIME = 64;   // machines; each takes a file descriptor

// A member of an object of the reply, with errors that name it.
const json& member(const json& object, const char* key) {
    if (!object.is_object() || !object.contains(key))
        throw Failure(fmt::format(
            "answered query-tiermem without '{}'; its QEMU and tiermemctl do not fit together",
            key));
    return object[key];
}

template<typename T> T number(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > std::numeric_limits<T>::max())
        throw Failure(fmt::format("answered query-tiermem with a '{}' that is no number of {} bits",
                                  key, sizeof(T) * 8));
    return value.get<T>();
}

std::string text(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_string())
        throw Failure(fmt::format("answered query-tiermem with a '{}' that is no text", key));
    return value.get<std::string>();
}

bool flag(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_boolean())
        throw Failure(
            fmt::format("answered query-tiermem with a '{}' that is neither true nor false", key));
    return value.get<bool>();
}

const json& list(const json& object, const char* key, size_t most) {
    const json& value = member(object, key);
    if (!value.is_array() || value.size() > most)
        throw Failure(fmt::format(
            "answered query-tiermem with a '{}' that is no list of {} at most", key, most));
    return value;
}

Tier parse_tier(const json& object) {
    Tier tier{number<uint32_t>(object, "tier"),
              text(object, "name"),
              number<uint32_t>(object, "node"),
              number<uint64_t>(object, "size"),
              number<uint64_t>(object, "requested"),
              number<uint64_t>(object, "actual"),
              std::nullopt,
              number<uint64_t>(object, "block-size")};
    if (object.contains("resident"))
        tier.resident = number<uint64_t>(object, "resident");
    if (!std::has_single_bit(tier.block_size))
        throw Failure("answered query-tiermem with a 'block-size' that is no power of two");
    return tier;
}

Qos parse_qos(const json& object) {
    return {text(object, "class"),
            number<uint32_t>(object, "weight"),
            number<uint64_t>(object, "fast-min"),
            number<uint64_t>(object, "migration-bandwidth"),
            number<uint32_t>(object, "cpu-budget"),
            number<uint32_t>(object, "shrink-deadline-ms")};
}

Statistics parse_statistics(const json& object) {
    Statistics statistics;
    if (object.contains("age-ms"))
        statistics.age_ms = number<uint64_t>(object, "age-ms");
    // Devices before the doubts believed everything.
    for (const json& doubt :
         object.contains("doubts") ? list(object, "doubts", MAX_DOUBTS) : json::array())
        statistics.doubts.push_back(doubt.is_string() ? doubt.get<std::string>() : "unknown");
    for (const json& value : list(object, "values", MAX_STATS)) {
        const int tier =
            value.contains("tier") ? number<uint16_t>(value, "tier") : Statistics::NO_TIER;
        statistics.set(text(value, "name"), tier, number<uint32_t>(value, "index"),
                       number<uint64_t>(value, "value"));
    }
    return statistics;
}

void check_tiers(const std::vector<Tier>& tiers) {
    for (size_t i = 0; i < tiers.size(); i++)
        if (tiers[i].number != i)
            throw Failure("answered query-tiermem with tiers that are not in order");
    if (tiers.empty())
        throw Failure("answered query-tiermem with a device without tiers");
}

// Machines that are being asked.
struct Inquiry {
    std::vector<MachinePtr> machines;
    std::chrono::milliseconds limit{};
    std::vector<Outcome<Device>> results;
    DeviceReplies done;
    size_t asked = 0, answered = 0;

    void go_on(const std::shared_ptr<Inquiry>& self) {
        if (answered == machines.size())
            return done(results);
        for (; asked < machines.size() && asked - answered < AT_A_TIME; asked++)
            query(*machines[asked], limit, [self, index = asked](const Outcome<Device>& device) {
                self->results[index] = device;
                self->answered++;
                self->go_on(self);
            });
    }
};

} // namespace

std::optional<uint64_t> Statistics::get(const std::string& name, int tier, uint32_t index) const {
    const auto found = values_.find({name, tier, index});
    return found != values_.end() ? std::optional(found->second) : std::nullopt;
}

std::vector<std::pair<uint32_t, uint64_t>> Statistics::series(const std::string& name,
                                                              int tier) const {
    std::vector<std::pair<uint32_t, uint64_t>> found;
    for (auto at = values_.lower_bound({name, tier, 0});
         at != values_.end() && std::get<0>(at->first) == name && std::get<1>(at->first) == tier;
         ++at)
        found.emplace_back(std::get<2>(at->first), at->second);
    return found;
}

std::optional<uint64_t> Statistics::sum(const std::string& name, int tier) const {
    const auto values = series(name, tier);
    uint64_t total = 0;
    for (const auto& [index, value] : values)
        total = value > UINT64_MAX - total ? UINT64_MAX : total + value;
    return values.empty() ? std::nullopt : std::optional(total);
}

const Tier* Device::tier(uint32_t number) const {
    return number < tiers.size() ? &tiers[number] : nullptr;
}

Device parse_devices(const json& reply) {
    if (!reply.is_array())
        throw Failure("answered query-tiermem with what is no list of devices");
    if (reply.empty())
        throw Failure("has no virtio-tiermem device; start it with -device virtio-tiermem,...");
    if (reply.size() > 1)
        throw Failure(fmt::format(
            "has {} virtio-tiermem devices; tiermemctl knows machines with one", reply.size()));
    const json& object = reply.front();
    Device device{text(object, "id"),
                  flag(object, "driver-ready"),
                  flag(object, "discard-possible"),
                  {},
                  parse_qos(member(object, "qos")),
                  parse_statistics(member(object, "stats")),
                  object};
    for (const json& tier : list(object, "tiers", MAX_TIERS))
        device.tiers.push_back(parse_tier(tier));
    check_tiers(device.tiers);
    return device;
}

void query(Machine& machine, std::chrono::milliseconds limit, DeviceReply done) {
    machine.execute("query-tiermem", nullptr, limit,
                    [&machine, done = std::move(done)](const Outcome<json>& reply) {
                        auto parsed = [&]() -> Outcome<Device> {
                            try {
                                return parse_devices(reply.value());
                            } catch (const Failure& failure) {
                                return reply ? machine.named(failure) : failure;
                            }
                        };
                        done(parsed());
                    });
}

void query_each(const std::vector<MachinePtr>& machines, std::chrono::milliseconds limit,
                DeviceReplies done) {
    auto all = std::make_shared<Inquiry>();
    all->machines = machines;
    all->limit = limit;
    all->results.assign(machines.size(), Outcome<Device>(Failure("not asked")));
    all->done = std::move(done);
    on_main_loop([all] { all->go_on(all); });
}

std::vector<Outcome<Device>> query_all(const std::vector<MachinePtr>& machines,
                                       std::chrono::milliseconds limit) {
    std::optional<std::vector<Outcome<Device>>> results;
    query_each(machines, limit,
               [&results](const std::vector<Outcome<Device>>& all) { results = all; });
    run_until([&results] { return results.has_value(); });
    return *results;
}

} // namespace tiermemctl
