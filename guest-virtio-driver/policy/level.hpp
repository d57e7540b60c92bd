// SPDX-License-Identifier: GPL-2.0-or-later
// level.hpp - how hot a range is: an average with a long memory that gives way
// at once when the heat really changes, and never to a single burst.
//
// Each epoch brings one count. Its median with the two counts before is what
// must differ from the long average, by more than chance and by more than the
// range's own habit (`spread`, as it was before those three epochs), for the
// change to be believed. A stream that passes through once is one high count,
// or two where it falls on a boundary: the median does not see it, or the epoch
// that must confirm it does not. A range that is streamed through again and
// again has a large spread and keeps its long average.
//
// Promotion counts on what is certain (confident()), demotion on what is
// possible (optimistic()), so a range about which little is known is neither
// promoted nor demoted.
#ifndef TIERMEM_POLICY_LEVEL_HPP
#define TIERMEM_POLICY_LEVEL_HPP

#include "arith.hpp"

namespace tiermem {

struct Level {
    uint32_t now;       // accesses counted in this epoch
    uint32_t before[2]; // in the two epochs before
    uint32_t average;   // per epoch, long memory
    uint32_t spread;    // standard deviation of the counts, beyond what chance explains
    uint32_t usual[2];  // `spread` as of the end of the two epochs before
    uint16_t age;       // epochs since the last believed change, by their nominal length

    static constexpr uint16_t kLongEpochs = 32; // memory of `average` and `spread`
    static constexpr uint16_t kShortEpochs = 8; // the same while young
    // An average with a memory of n epochs is as certain as that of 2n - 1 counts.
    static constexpr uint16_t kKnownEpochs = 2 * kLongEpochs - 1;
    // So many samples may have been due where none came, by a chance of e^-4, 2 %.
    static constexpr uint16_t kMissed = 4;

    // No access in three epochs, and none expected.
    [[nodiscard]] constexpr bool dead() const { return (now | before[0] | before[1] | average | spread) == 0; }
    // No access in the last three epochs (or two, after settle()).
    [[nodiscard]] constexpr bool quiet() const { return (now | before[0] | before[1]) == 0; }

    // Far more in the last epoch than is usual: a stream may be half way through.
    [[nodiscard]] constexpr bool bursting() const { return before[0] / 2 > average; }

    // More than is usual by over a quarter: something else may have come on top.
    [[nodiscard]] constexpr bool raised() const { return sat_sub(before[0], average) > average / 4; }

    // Before the end of the first epoch in which anything is heard of an address space: there
    // is no other level that it could be a burst of, and the next epoch confirms it.
    constexpr void begin() { before[0] = before[1] = now; }

    // End of epoch. `weight` is what one sample stands for. An epoch that took
    // as long as `epochs` of them has a mean of their counts in `now`: as certain
    // and as old as so many. True on a change.
    constexpr bool settle(uint32_t weight, uint32_t epochs = 1) {
        if (quiet())
            return fade(weight, epochs);
        const uint32_t middle = median3(now, before[0], before[1]);
        const uint64_t chance = of_mean(uint64_t{middle > average ? middle : average} * weight, epochs); // variance
        const bool changed = differs(middle, chance);
        learn(chance, epochs);
        if (changed) {
            average = middle;
            age = 0;
        }
        before[1] = before[0];
        before[0] = now;
        now = 0;
        return changed;
    }

    // Just after a change: nothing until a third epoch has confirmed it. Then
    // the average less its standard error by habit, or two by chance, which fall
    // with the number of epochs that it was taken over; `caution` of them, in 1/256.
    // `weight` as above.
    [[nodiscard]] constexpr uint32_t confident(uint32_t weight) const { return confident(weight, error(weight)); }
    // `chance` is error(weight), for those who need it twice.
    [[nodiscard]] constexpr uint32_t confident(uint32_t weight, uint32_t chance, uint32_t caution = 256) const {
        if (age == 0)
            return 0;
        // The spread caused by a change says nothing about the level after it.
        const uint32_t error = (age < 3 ? usual[1] : spread) / sqrt_about(known_epochs());
        // Two standard errors of chance: of some hundred ranges that are alike
        // there is always one that is one error above the others.
        const uint32_t by_chance = sat_add(chance, chance);
        const uint32_t doubt = error > by_chance ? error : by_chance;
        const uint32_t sure = sat_sub(average, clamp_u32(uint64_t{doubt} * caution / 256));
        const uint32_t lower = before[0] < before[1] ? before[0] : before[1];
        if (age == 1 && lower < sure)
            return lower;
        // Nor more than twice what the last two epochs saw, and two samples.
        const uint32_t recent = before[0] > before[1] ? before[0] : before[1];
        const uint32_t limit = sat_add(sat_add(recent, recent), sat_add(weight, weight));
        return sure < limit ? sure : limit;
    }

    // What it may well be: the average, its standard error by chance, and kMissed samples
    // in the epochs that are remembered, as where few were due and by chance fewer
    // came the error that is taken from the average is too small; or the last count
    // where that is far more. Never cold when it only just changed; nothing when it has long
    // been dead.
    [[nodiscard]] constexpr uint32_t optimistic(uint32_t weight) const { return optimistic(weight, error(weight)); }
    [[nodiscard]] constexpr uint32_t optimistic(uint32_t weight, uint32_t chance) const {
        if (age == 0)
            return sat_add(average, spread);
        if (bursting())
            return before[0];
        if (age >= kLongEpochs && dead())
            return 0;
        return sat_add(average, sat_add(chance, clamp_u32(uint64_t{weight} * kMissed / known_epochs())));
    }

    // Standard error of the average by chance.
    [[nodiscard]] constexpr uint32_t error(uint32_t weight) const {
        return sqrt_about(uint64_t{average} * weight / known_epochs());
    }

    // A part of a range that is taken to be even: 1/2^shift of everything.
    [[nodiscard]] constexpr Level part(unsigned shift) const {
        return {now >> shift,    {before[0] >> shift, before[1] >> shift}, average >> shift,
                spread >> shift, {usual[0] >> shift, usual[1] >> shift},   age};
    }

    // Both together; as young as the younger.
    [[nodiscard]] constexpr Level plus(const Level& o) const {
        return {sat_add(now, o.now),
                {sat_add(before[0], o.before[0]), sat_add(before[1], o.before[1])},
                sat_add(average, o.average),
                sat_add(spread, o.spread),
                {sat_add(usual[0], o.usual[0]), sat_add(usual[1], o.usual[1])},
                age < o.age ? age : o.age};
    }

  private:
    [[nodiscard]] constexpr uint32_t known_epochs() const { return age < kKnownEpochs ? age + 1U : kKnownEpochs; }
    [[nodiscard]] constexpr uint32_t memory() const {
        return age < kShortEpochs ? kShortEpochs : (age < kLongEpochs ? age : kLongEpochs);
    }
    // What `epochs` count of the memory: one of so many parts.
    [[nodiscard]] constexpr uint32_t parts_of_memory(uint32_t epochs) const {
        if (epochs == 1)
            return memory();
        return epochs < memory() ? memory() / epochs : 1;
    }
    // From the average by more than three standard deviations.
    [[nodiscard]] constexpr bool differs(uint32_t count, uint64_t chance) const {
        const uint32_t third = (count > average ? count - average : average - count) / 3;
        return third > usual[1] && uint64_t{third} * third > chance;
    }
    // Nearly all epochs are single: no division for them.
    [[nodiscard]] static constexpr uint64_t of_mean(uint64_t variance, uint32_t epochs) {
        return epochs == 1 ? variance : variance / epochs;
    }
    // Just after a change by one only: the next epoch is what confirms it.
    constexpr void grow_older(uint32_t epochs) { age = sat_add(age, age == 0 ? uint16_t{1} : clamp_u16(epochs)); }
    constexpr void learn(uint64_t chance, uint32_t epochs) {
        const uint32_t off = now > average ? now - average : average - now;
        const uint64_t squares = uint64_t{spread} * spread;
        const uint64_t square = sat_sub(uint64_t{off} * off, chance);
        const uint32_t parts = parts_of_memory(epochs);
        usual[1] = usual[0];
        usual[0] = spread;
        spread = sqrt_about(square > squares ? squares + (square - squares) / parts
                                             : squares - (squares - square) / parts);
        average = now > average ? average + off / parts : average - off / parts;
        // Division rounds down: less than one a memory would stay for ever.
        if (now == 0 && average < parts)
            average = 0;
        grow_older(epochs);
    }
    // settle() for a range without accesses, in a few instructions: the square
    // root of learn() to its first order.
    constexpr bool fade(uint32_t weight, uint32_t epochs) {
        grow_older(epochs);
        if ((average | spread) == 0)
            return false;
        // Three empty counts are as certain as one with a third of the variance.
        const bool changed = differs(0, of_mean(uint64_t{average} * weight / 3, epochs));
        const uint32_t parts = parts_of_memory(epochs);
        // One sample in kLongEpochs is little heat and some: a range that counts as dead
        // after a few epochs without any is the first to be demoted, by mere bad luck.
        average = changed || average <= weight / kLongEpochs || average < parts ? 0 : average - average / parts;
        usual[1] = usual[0];
        usual[0] = spread;
        spread -= sat_sub(spread, average) / (2 * parts);
        if (changed)
            age = 0;
        // The habit of a burst that comes rarely is kept for long, if it is one.
        if (average == 0 && (age >= kLongEpochs || spread <= weight))
            spread = usual[0] = usual[1] = 0;
        return changed;
    }
};

} // namespace tiermem

#endif
