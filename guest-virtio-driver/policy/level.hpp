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
    uint32_t spread;    // root of the mean squared difference from `average`
    uint32_t usual[2];  // `spread` as of the end of the two epochs before
    uint32_t error;     // standard error of `average` by chance
    uint16_t age;       // epochs since the last believed change

    static constexpr uint16_t kLongEpochs = 32; // memory of `average` and `spread`
    static constexpr uint16_t kShortEpochs = 8; // the same while young

    // No access in three epochs, and none expected.
    [[nodiscard]] constexpr bool dead() const { return (now | before[0] | before[1] | average | spread) == 0; }

    // End of epoch. `weight` is what one sample stands for. True on a change.
    constexpr bool settle(uint32_t weight) {
        if (dead()) {
            age = sat_add<uint16_t>(age, 1);
            return false;
        }
        const uint32_t middle = median3(now, before[0], before[1]);
        const uint32_t larger = middle > average ? middle : average;
        const uint32_t third = (middle > average ? middle - average : average - middle) / 3;
        const uint64_t chance = uint64_t{larger} * weight; // variance
        const bool changed = third > usual[1] && uint64_t{third} * third > chance;
        learn();
        if (changed) {
            average = middle;
            age = 0;
        }
        error = sqrt_about(chance / known_epochs());
        before[1] = before[0];
        before[0] = now;
        now = 0;
        return changed;
    }

    // Just after a change: nothing until a third epoch has confirmed it. Then
    // the average less its standard error, by habit or by chance, which falls
    // with the number of epochs that it was taken over. `weight` as above.
    [[nodiscard]] constexpr uint32_t confident(uint32_t weight) const {
        if (age == 0)
            return 0;
        // The spread caused by a change says nothing about the level after it.
        const uint32_t habit = (age < 3 ? usual[1] : spread) / sqrt_about(known_epochs());
        const uint32_t sure = sat_sub(average, habit > error ? habit : error);
        const uint32_t lower = before[0] < before[1] ? before[0] : before[1];
        if (age == 1 && lower < sure)
            return lower;
        // Nor more than twice what the last two epochs saw, and two samples.
        const uint32_t recent = before[0] > before[1] ? before[0] : before[1];
        const uint32_t limit = sat_add(sat_add(recent, recent), sat_add(weight, weight));
        return sure < limit ? sure : limit;
    }

    // What it may well be: the average, its standard error by chance, and two
    // samples that may have been missed in the epochs since the last change; or
    // the last count where that is far more. Never cold when it only just changed.
    [[nodiscard]] constexpr uint32_t optimistic(uint32_t weight) const {
        if (age == 0)
            return sat_add(average, spread);
        if (before[0] / 2 > average)
            return before[0];
        if (age >= kLongEpochs)
            return average;
        return sat_add(average, sat_add(error, weight / known_epochs() * 2));
    }

    // A part of a range that is taken to be even: 1/2^shift of everything.
    [[nodiscard]] constexpr Level part(unsigned shift) const {
        return {now >> shift,    {before[0] >> shift, before[1] >> shift}, average >> shift,
                spread >> shift, {usual[0] >> shift, usual[1] >> shift},   error >> shift,    age};
    }

    // Both together; as young as the younger.
    [[nodiscard]] constexpr Level plus(const Level& o) const {
        return {sat_add(now, o.now),
                {sat_add(before[0], o.before[0]), sat_add(before[1], o.before[1])},
                sat_add(average, o.average),
                sat_add(spread, o.spread),
                {sat_add(usual[0], o.usual[0]), sat_add(usual[1], o.usual[1])},
                sat_add(error, o.error),
                age < o.age ? age : o.age};
    }

  private:
    [[nodiscard]] constexpr uint32_t known_epochs() const { return (age < kLongEpochs ? age : kLongEpochs) + 1U; }
    constexpr void learn() {
        const uint32_t memory = age < kShortEpochs ? kShortEpochs : (age < kLongEpochs ? age : kLongEpochs);
        const uint32_t off = now > average ? now - average : average - now;
        const uint64_t squares = uint64_t{spread} * spread;
        const uint64_t square = uint64_t{off} * off;
        usual[1] = usual[0];
        usual[0] = spread;
        spread = sqrt_about(square > squares ? squares + (square - squares) / memory
                                             : squares - (squares - square) / memory);
        average = now > average ? average + off / memory : average - off / memory;
        // Division rounds down: less than one a memory would stay for ever.
        if (now == 0 && average < memory)
            average = 0;
        if (age >= kLongEpochs && (now | before[0] | average) == 0)
            spread = usual[0] = usual[1] = 0;
        age = sat_add<uint16_t>(age, 1);
    }
};

} // namespace tiermem

#endif
