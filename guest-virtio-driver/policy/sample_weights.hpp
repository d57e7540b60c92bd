// SPDX-License-Identifier: GPL-2.0-or-later
// sample_weights.hpp - how many accesses a sample stood for in the epochs that averages
// were taken over.
//
// Chance makes an average wrong by the root of what its samples stood for. Right after
// the period has become short that is still what they stood for before: with the present
// weight, ranges that are alike would look different by all that chance had done to them
// while hardly anything was sampled.
#ifndef TIERMEM_POLICY_SAMPLE_WEIGHTS_HPP
#define TIERMEM_POLICY_SAMPLE_WEIGHTS_HPP

#include "level.hpp"

namespace tiermem {

class SampleWeights {
  public:
    constexpr SampleWeights() = default;
    // As if it had always been `weight`.
    explicit constexpr SampleWeights(uint32_t weight) { note(weight, kEpochs); }

    // End of an epoch that took as long as `epochs` of them; `weight` > 0. The first speaks
    // for all that were before.
    constexpr void note(uint32_t weight, uint32_t epochs) {
        if (now_ == 0) {
            long_ = weight;
            epochs = kEpochs;
        }
        for (uint32_t i = 0; i < epochs && i < kEpochs; i++)
            add(weight);
        now_ = weight;
    }

    [[nodiscard]] constexpr uint32_t now() const { return now_; }

    // Of a level of this age, whose average is as certain as that of `age` + 1 counts. At
    // least the present one: what was learned from more samples fades, too.
    [[nodiscard]] constexpr uint32_t remembered(uint16_t age) const {
        const uint32_t then = age < kEpochs ? static_cast<uint32_t>(sum_[age] / (age + 1U)) : long_;
        return then > now_ ? then : now_;
    }

  private:
    static constexpr uint16_t kEpochs = Level::kLongEpochs;

    constexpr void add(uint32_t weight) {
        for (uint32_t n = kEpochs - 1; n > 0; n--)
            sum_[n] = sum_[n - 1] + weight;
        sum_[0] = weight;
        // An average with a memory of n epochs forgets the square of its error twice as fast.
        constexpr uint32_t parts = kEpochs / 2;
        long_ = weight > long_ ? long_ + (weight - long_) / parts : long_ - (long_ - weight) / parts;
    }

    uint64_t sum_[kEpochs]{}; // of the last epoch, the last two and so on
    uint32_t long_ = 0;       // as an average with the memory of kEpochs has it
    uint32_t now_ = 0;        // 0: nothing was noted yet
};

} // namespace tiermem

#endif
