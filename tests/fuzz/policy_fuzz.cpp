// SPDX-License-Identifier: GPL-2.0-or-later
// policy_fuzz.cpp - libFuzzer: any sequence of calls with any arguments; after
// each call all invariants must hold.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "host_services.h"
#include "policy.h"

void* tm_host_alloc(size_t bytes) { return std::calloc(1, bytes); }
void tm_host_free(void* memory) { std::free(memory); }

namespace {

// The input as a stream of numbers; zeroes when it is used up.
class Input {
  public:
    Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
    [[nodiscard]] bool empty() const { return left_ == 0; }
    template <typename T> T take() {
        T value{};
        const size_t n = left_ < sizeof(T) ? left_ : sizeof(T);
        std::memcpy(&value, data_, n);
        data_ += n;
        left_ -= n;
        return value;
    }
    // Mostly small differences, so that samples gather.
    uint64_t address() {
        const auto base = take<uint8_t>();
        const auto offset = take<uint16_t>();
        if (base == 255)
            return take<uint64_t>();
        return (uint64_t{base & 7U} << 44) + (uint64_t{offset} << (base >> 3 & 15));
    }

  private:
    const uint8_t* data_;
    size_t left_;
};

int walk(void* context, uint64_t /*space*/, uint64_t start, uint64_t end, tm_window* window) {
    Input& in = *static_cast<Input*>(context);
    const auto what = in.take<uint8_t>();
    if (what < 32)
        return static_cast<int>(what) - 31;
    window->start = what == 255 ? in.take<uint64_t>() : start;
    window->huge = what & 1;
    const auto present = in.take<uint64_t>();
    const auto fast = in.take<uint64_t>();
    for (int w = 0; w < 8; w++) {
        window->present[w] = present;
        window->fast[w] = fast;
    }
    return end > start ? 1 : 0;
}

tm_move moves[200];

void epoch(tm_policy* policy, Input& in, uint64_t& now) {
    tm_epoch_input input{};
    now += in.take<uint32_t>();
    input.now_ns = now;
    input.fast_quota = in.take<uint64_t>();
    input.fast_free = in.take<uint64_t>();
    input.fast_reserve = in.take<uint32_t>();
    input.fast_free_huge = in.take<uint64_t>();
    input.fast_waiting = in.take<uint64_t>();
    input.fast_idle = in.take<uint64_t>();
    input.new_bytes = in.take<uint32_t>();
    input.bandwidth = in.take<uint64_t>();
    input.lost_samples = in.take<uint16_t>();
    input.cpu_permille = in.take<uint16_t>();
    input.qos_class = in.take<uint8_t>() & 3;
    input.shrinking = in.take<uint8_t>() & 1;
    tm_epoch_result result{};
    if (tm_policy_epoch(policy, &input, walk, &in, moves, 200, &result) != 0)
        return;
    for (uint32_t m = 0; m < result.moves; m++) {
        auto outcome = tm_outcome{};
        std::memset(outcome.done, in.take<uint8_t>(), sizeof(outcome.done));
        std::memset(outcome.refused_promote, in.take<uint8_t>(), sizeof(outcome.done));
        std::memset(outcome.demoted, in.take<uint8_t>(), sizeof(outcome.done));
        tm_policy_moved(policy, &moves[m], &outcome);
    }
}

void samples(tm_policy* policy, Input& in) {
    const auto space = in.take<uint8_t>();
    const uint64_t address = in.address();
    const auto weight = in.take<uint32_t>();
    const auto count = in.take<uint8_t>();
    for (unsigned i = 0; i <= count; i++) {
        const tm_sample s{space & 7U, address + i * 4096ULL * (space >> 3), weight, static_cast<uint8_t>(i % 3), {0, 0, 0}};
        tm_policy_samples(policy, &s, 1);
    }
    if (tm_policy_period_now(policy) == 0)
        __builtin_trap();
}

void step(tm_policy* policy, Input& in, uint64_t& now) {
    switch (in.take<uint8_t>() % 8) {
    case 0:
        tm_policy_space_add(policy, in.take<uint8_t>() & 7, in.take<uint8_t>() % 3 * 16384);
        break;
    case 1:
        tm_policy_space_remove(policy, in.take<uint8_t>() & 7);
        break;
    case 2:
        tm_policy_unmap(policy, in.take<uint8_t>() & 7, in.address(), in.address());
        break;
    case 3:
        tm_policy_space_qos(policy, in.take<uint8_t>() & 7, in.take<uint16_t>(), in.take<uint64_t>());
        break;
    case 4:
        epoch(policy, in, now);
        break;
    case 5: {
        tm_move any{in.take<uint8_t>() & 7U, in.address(), in.take<uint8_t>() & 7U, in.address(), in.take<uint16_t>(), 0, 0, 0};
        tm_policy_moved(policy, &any, nullptr);
        break;
    }
    case 6: {
        const int n = tm_policy_shrink(policy, in.take<uint64_t>(), walk, &in, moves, in.take<uint8_t>() % 200);
        for (int m = 0; m < n; m++)
            tm_policy_moved(policy, &moves[m], nullptr);
        break;
    }
    default:
        samples(policy, in);
    }
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input in(data, size);
    tm_policy_config config;
    tm_policy_config_default(&config);
    config.space_bytes = 16384;
    config.max_spaces = 6;
    config.walk_windows = 64;
    config.address_bits = (in.take<uint8_t>() & 1) != 0 ? 57 : 47;
    tm_policy* policy = nullptr;
    if (tm_policy_create(&config, &policy) != 0)
        std::abort();
    uint64_t now = 0;
    while (!in.empty()) {
        step(policy, in, now);
        const int broken = tm_policy_validate(policy);
        if (broken != 0) {
            std::fprintf(stderr, "invariant %d is broken\n", broken);
            std::abort();
        }
    }
    tm_curve_point points[TM_CURVE_POINTS];
    if (tm_policy_curve(policy, points) > TM_CURVE_POINTS)
        std::abort();
    tm_policy_destroy(policy);
    return 0;
}
