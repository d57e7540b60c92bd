// SPDX-License-Identifier: GPL-2.0-or-later
// random.hpp - random numbers and scattered orders in a few instructions, without memory of their
// own: a generator or a table of the workload's would be metered like the workload.
#ifndef TIERLOAD_RANDOM_HPP
#define TIERLOAD_RANDOM_HPP

#include <bit>
#include <cstdint>

namespace tierload {

// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled").
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(mixed(seed)) {}

    std::uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1D;
    }

    // 0 <= result < count from the upper half of a random number; count < 2^32.
    static std::uint64_t below(std::uint64_t random, std::uint64_t count) {
        return ((random >> 32) * count) >> 32;
    }

    // splitmix64's mixer; never 0, which xorshift could not leave.
    static std::uint64_t mixed(std::uint64_t seed) {
        std::uint64_t x = seed + 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return (x ^ (x >> 31)) | 1;
    }

private:
    std::uint64_t state_;
};

// A fixed order of 0 .. count-1 that looks random: each step is a bijection of the next power of
// two, and what falls beyond count is sent round again. 1 <= count <= 2^32.
class Scatter {
public:
    Scatter(std::uint64_t count, std::uint64_t seed)
        : count_(count), mask_(std::bit_ceil(count) - 1),
          half_(static_cast<unsigned>(std::bit_width(mask_) + 1) / 2), first_(Random::mixed(seed)),
          second_(Random::mixed(seed + 1)) {}

    [[nodiscard]] std::uint64_t operator()(std::uint64_t x) const {
        do {
            x = (x * first_ + second_) & mask_;
            x ^= x >> half_;
            x = (x * second_) & mask_;
            x ^= x >> half_;
        } while (x >= count_);
        return x;
    }

private:
    std::uint64_t count_;
    std::uint64_t mask_;
    unsigned half_; // of the bits; at least 1 where there is more than one value
    std::uint64_t first_;
    std::uint64_t second_;
};

} // namespace tierload

#endif
