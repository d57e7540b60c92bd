// SPDX-License-Identifier: GPL-2.0-or-later
// cost.cpp - drives the core through known amounts of work, to be run under
// `valgrind --tool=callgrind --toggle-collect=FUNCTION`, which counts the
// instructions of FUNCTION and all that it calls.
//
//   policy-cost ranges N BITS [S]  N hot ranges spread over 2^BITS bytes, 40 epochs,
//                                S samples (6) each and epoch
//   policy-cost details N        the same, N ranges of 2 MiB counted by page
//   policy-cost samples KIND     400,000 samples: page (one), region (64 MiB),
//                                scattered (512 MiB), heap (100 GiB), spots
//                                (1,024 of 2 MiB in 64 TiB), space (64 TiB)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "host_services.h"
#include "policy.h"

void* tm_host_alloc(size_t bytes) { return std::calloc(1, bytes); }
void tm_host_free(void* memory) { std::free(memory); }

namespace {

constexpr uint64_t kWindow = uint64_t{1} << TM_WINDOW_SHIFT;
constexpr uint32_t kEpochs = 40;

uint64_t next_random() {
    static uint64_t state = 88172645463325252ULL;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

tm_policy* make_policy(uint32_t space_bytes) {
    tm_policy_config config;
    tm_policy_config_default(&config);
    config.space_bytes = space_bytes;
    tm_policy* policy = nullptr;
    if (tm_policy_create(&config, &policy) != 0 || tm_policy_space_add(policy, 1, 0) != 0)
        std::exit(2);
    return policy;
}

// Everything is there, and slow.
int walk_all(void* /*context*/, uint64_t /*space*/, uint64_t start, uint64_t /*end*/, tm_window* window) {
    window->start = start;
    std::memset(window->present, 0xff, sizeof(window->present));
    return 1;
}

void end_epoch(tm_policy* policy, uint32_t number) {
    tm_epoch_input input{};
    input.now_ns = (number + 1) * 500000000ULL;
    input.fast_quota = 1 << 30;
    input.bandwidth = 1 << 27;
    input.cpu_permille = 5;
    tm_epoch_result result{};
    static std::vector<tm_move> moves(4096);
    if (tm_policy_epoch(policy, &input, walk_all, nullptr, moves.data(), 4096, &result) != 0)
        std::exit(2);
}

void report(tm_policy* policy) {
    tm_policy_stats stats{};
    tm_policy_get_stats(policy, &stats);
    std::printf("ranges %u details %u samples %llu epochs %u\n", stats.ranges, stats.details,
                static_cast<unsigned long long>(stats.samples), kEpochs);
}

// Ranges with heat of their own, `per_range` samples each and epoch. With few
// samples a range is isolated but not counted by page.
int run_ranges(uint32_t ranges, uint64_t bytes, uint32_t per_range) {
    tm_policy* policy = make_policy(16 << 20);
    const uint64_t step = bytes / ranges & ~(kWindow - 1);
    std::vector<tm_sample> samples;
    for (uint32_t e = 0; e < kEpochs; e++) {
        samples.clear();
        for (uint32_t r = 0; r < ranges; r++)
            for (uint32_t k = 0; k < per_range; k++) {
                const uint64_t page = next_random() % TM_WINDOW_PAGES;
                samples.push_back({1, r * step + (page << TM_PAGE_SHIFT), 61, TM_TIER_SLOW, {0, 0, 0}});
            }
        tm_policy_samples(policy, samples.data(), static_cast<uint32_t>(samples.size()));
        end_epoch(policy, e);
    }
    report(policy);
    tm_policy_destroy(policy);
    return 0;
}

// Where samples fall: in `spots` windows of `bytes`, one every `step` bytes.
struct Kind {
    const char* name;
    uint64_t spots;
    uint64_t step;
    uint64_t bytes;
};
constexpr Kind kKinds[] = {
    {"page", 1, 0, 4096},
    {"region", 1, 0, uint64_t{64} << 20},
    {"scattered", 1, 0, uint64_t{512} << 20},
    {"heap", 1, 0, uint64_t{100} << 30},
    {"spots", 1024, uint64_t{1} << 36, kWindow},
    {"space", 1, 0, uint64_t{1} << 46},
};
constexpr uint64_t kHeap = 0x100000000000;

uint64_t sample_address(const Kind& kind) {
    const uint64_t spot = kind.spots > 1 ? next_random() % kind.spots : 0;
    const uint64_t base = kind.spots > 1 ? 0 : kHeap;
    return base + spot * kind.step + next_random() % kind.bytes;
}

int run_samples(const char* name) {
    const Kind* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                    [&](const Kind& k) { return std::strcmp(k.name, name) == 0; });
    if (kind == std::end(kKinds)) {
        std::fprintf(stderr, "policy-cost: no kind of samples is called '%s'\n", name);
        return 2;
    }
    tm_policy* policy = make_policy(256 << 10);
    std::vector<tm_sample> samples(10000);
    for (uint32_t e = 0; e < kEpochs; e++) {
        for (tm_sample& s : samples)
            s = {1, sample_address(*kind), 61, TM_TIER_SLOW, {0, 0, 0}};
        tm_policy_samples(policy, samples.data(), static_cast<uint32_t>(samples.size()));
        end_epoch(policy, e);
    }
    report(policy);
    tm_policy_destroy(policy);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    const uint32_t per_range = argc == 5 ? static_cast<uint32_t>(std::atoi(argv[4])) : 6;
    if ((argc == 4 || argc == 5) && std::strcmp(argv[1], "ranges") == 0)
        return run_ranges(static_cast<uint32_t>(std::atoi(argv[2])), uint64_t{1} << std::atoi(argv[3]), per_range);
    if (argc == 3 && std::strcmp(argv[1], "details") == 0)
        return run_ranges(static_cast<uint32_t>(std::atoi(argv[2])), std::strtoull(argv[2], nullptr, 10) * kWindow, 64);
    if (argc == 3 && std::strcmp(argv[1], "samples") == 0)
        return run_samples(argv[2]);
    std::fprintf(stderr, "usage: policy-cost ranges N BITS [S] | details N | samples KIND\n");
    return 2;
}
