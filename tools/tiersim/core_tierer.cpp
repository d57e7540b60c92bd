// SPDX-License-Identifier: GPL-2.0-or-later
// core_tierer.cpp - the policy core in the simulated machine, called as the
// driver calls it.
#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "host_services.h"
#include "policy.h"
#include "tierer.hpp"

namespace tiersim {

namespace {
constexpr uint64_t kWindowBytes = uint64_t{1} << TM_WINDOW_SHIFT;
constexpr uint32_t kMaxMoves = 65536;
constexpr double kWalkNs = 2500; // 512 page table entries

int walk_world(void* context, uint64_t space, uint64_t start, uint64_t end, tm_window* window) {
    const World& world = *static_cast<const World*>(context);
    for (;;) {
        const uint64_t mapped = world.next_mapped(space, start);
        if (mapped >= end)
            return 0;
        window->start = mapped & ~(kWindowBytes - 1);
        bool any = false;
        for (uint32_t p = 0; p < TM_WINDOW_PAGES; p++) {
            const int64_t page = world.page_at(space, window->start + p * kPageBytes);
            if (page < 0 || world.tier(static_cast<uint32_t>(page)) == kAbsent)
                continue;
            any = true;
            window->present[p / 64] |= uint64_t{1} << (p % 64);
            if (world.tier(static_cast<uint32_t>(page)) == kFast)
                window->fast[p / 64] |= uint64_t{1} << (p % 64);
        }
        if (any)
            return 1;
        start = window->start + kWindowBytes;
    }
}

class Core : public Tierer {
  public:
    Core(tm_policy_config config, const TiererOptions& options, World& world) : options_(options), moves_(kMaxMoves) {
        config.seed = options.seed;
        config.space_bytes = options.space_bytes;
        if (tm_policy_create(&config, &policy_) != 0)
            throw std::runtime_error("the policy core refused its configuration");
        for (const Area& a : world.areas())
            tm_policy_space_add(policy_, a.space, 0);
        period_ = 4093;
        touched_ = world.touched(); // what was there before is not new
    }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    ~Core() override { tm_policy_destroy(policy_); }

    [[nodiscard]] uint32_t period() const override { return period_; }
    void sample(const Sample& s) override {
        const tm_sample sample{s.space, s.address, s.weight, s.tier, {0, 0, 0}};
        tm_policy_samples(policy_, &sample, 1);
    }
    void tick(Tick& tick) override {
        if ((tick.number + 1) % kTicksPerEpoch != 0)
            return;
        tm_epoch_input input{};
        input.now_ns = static_cast<uint64_t>((tick.number + 1) * kTickNs);
        input.fast_quota = tick.world.quota() * kPageBytes;
        input.fast_free = tick.world.fast_free() * kPageBytes;
        input.fast_free_huge = input.fast_free;
        input.fast_reserve = 0;
        input.new_bytes = (tick.world.touched() - touched_) * kPageBytes;
        touched_ = tick.world.touched();
        input.bandwidth = options_.bandwidth;
        input.move_cost_ns = static_cast<uint32_t>(Costs{}.exchange_ns / 2);
        input.cpu_permille = options_.cpu_permille;
        input.qos_class = TM_CLASS_BURSTABLE;
        tm_epoch_result result{};
        tm_policy_stats before{};
        tm_policy_get_stats(policy_, &before);
        if (tm_policy_epoch(policy_, &input, walk_world, &tick.world, moves_.data(), kMaxMoves, &result) != 0)
            throw std::runtime_error("the policy core refused an epoch");
        tm_policy_stats after{};
        tm_policy_get_stats(policy_, &after);
        tick.overhead_ns += kWalkNs * static_cast<double>(after.walks - before.walks);
        period_ = result.period;
        for (uint32_t m = 0; m < result.moves; m++)
            carry_out(tick.world, moves_[m]);
    }
    [[nodiscard]] int above_cut(const World& world, uint32_t page) const override {
        uint64_t heat = 0;
        return tm_policy_page_heat(policy_, world.space(page), world.address(page), &heat);
    }

  private:
    void carry_out(World& world, const tm_move& move) {
        tm_outcome outcome{};
        for (uint32_t i = 0; i < move.pages; i++)
            if (one(world, move, i * kPageBytes))
                outcome.done[i / 64] |= uint64_t{1} << (i % 64);
        tm_policy_moved(policy_, &move, &outcome);
    }
    static bool one(World& world, const tm_move& move, uint64_t offset) {
        const int64_t hot = move.promote_space == TM_SPACE_NONE
                                ? -1
                                : world.page_at(move.promote_space, move.promote_addr + offset);
        const int64_t cold =
            move.demote_space == TM_SPACE_NONE ? -1 : world.page_at(move.demote_space, move.demote_addr + offset);
        if (hot >= 0 && cold >= 0)
            return world.exchange(static_cast<uint32_t>(hot), static_cast<uint32_t>(cold));
        if (hot >= 0)
            return world.promote(static_cast<uint32_t>(hot));
        return cold >= 0 && world.demote(static_cast<uint32_t>(cold));
    }

    TiererOptions options_;
    tm_policy* policy_ = nullptr;
    uint32_t period_;
    uint64_t touched_ = 0;
    std::vector<tm_move> moves_;
};
} // namespace

std::unique_ptr<Tierer> make_core(const TiererOptions& options, World& world) {
    tm_policy_config config;
    tm_policy_config_default(&config);
    return std::make_unique<Core>(config, options, world);
}

std::unique_ptr<Tierer> make_guest_core(const TiererOptions& options, World& world) {
    tm_policy_config config;
    tm_policy_config_guest(&config);
    TiererOptions guest = options;
    guest.cpu_permille = std::min(10 * options.cpu_permille, 1000U);
    return std::make_unique<Core>(config, guest, world);
}

} // namespace tiersim

void* tm_host_alloc(size_t bytes) { return std::calloc(1, bytes); }
void tm_host_free(void* memory) { std::free(memory); }
