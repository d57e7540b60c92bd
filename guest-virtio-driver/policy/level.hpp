// SPDX-License-Identifier: GPL-2.0-or-later
// level.hpp - how hot a range is: an average with a long memory that gives way
// at once when the heat really changes, and never to a single burst.
//
// Each epoch brings one count. Its median with the two counts before is what
// must differ from the long average, by more than chance and by more than the
// range's own habit (`deviation`), for the change to be believed. A stream that
// passes through once is one high count: the median does not see it. A range
// that is streamed through again and again has a large habitual deviation and
// keeps its long average.
//
// Promotion counts on what is certain (confident()), demotion on what is
// possible (optimistic()), so a range that has just begun to be used is neither
// promoted nor demoted.
#ifndef TIERMEM_POLICY_LEVEL_HPP
#define TIERMEM_POLICY_LEVEL_HPP

#include "arith.hpp"

namespace tm {

struct Level {
    uint32_t now;       // accesses counted in this epoch
    uint32_t before[2]; // in the two epochs before
    uint32_t average;   // per epoch, long memory
    uint32_t deviation; // mean absolute difference of a count from `average`
    uint16_t age;       // epochs since the last believed change

    static constexpr uint16_t kLongEpochs = 32;  // memory of `average`
    static constexpr uint16_t kShortEpochs = 8;  // of a young one, and of `deviation`

    // End of epoch. `weight` is what one sample stands for. True on a change.
    constexpr bool settle(uint32_t weight) {
        const uint32_t middle = median3(now, before[0], before[1]);
        const uint32_t larger = middle > average ? middle : average;
        const uint64_t chance = uint64_t{3} * isqrt(uint64_t{larger} * weight);
        const uint64_t needed = sat_add(chance, uint64_t{3} * deviation);
        const uint32_t apart = middle > average ? middle - average : average - middle;
        const bool changed = apart > needed;
        if (changed) {
            average = middle;
            deviation = 0;
            age = 0;
        } else {
            learn();
        }
        before[1] = before[0];
        before[0] = now;
        now = 0;
        return changed;
    }

    // The average less its standard error, which falls with the number of
    // epochs that it was taken over.
    [[nodiscard]] constexpr uint32_t confident() const {
        return sat_sub(average, deviation / isqrt((age < 2 * kLongEpochs ? age : 2 * kLongEpochs) + 1U));
    }
    // The average, or the last count where that is far more.
    [[nodiscard]] constexpr uint32_t optimistic() const {
        return before[0] / 2 > average ? before[0] : average;
    }

    // A part of a range that is taken to be even: 1/2^shift of everything.
    [[nodiscard]] constexpr Level part(unsigned shift) const {
        return {now >> shift, {before[0] >> shift, before[1] >> shift}, average >> shift, deviation >> shift, age};
    }

    // Both together; as young as the younger.
    [[nodiscard]] constexpr Level plus(const Level& o) const {
        return {sat_add(now, o.now),
                {sat_add(before[0], o.before[0]), sat_add(before[1], o.before[1])},
                sat_add(average, o.average),
                sat_add(deviation, o.deviation),
                age < o.age ? age : o.age};
    }

  private:
    constexpr void learn() {
        const uint32_t memory = age < kShortEpochs ? kShortEpochs : (age < kLongEpochs ? age : kLongEpochs);
        const uint32_t off = now > average ? now - average : average - now;
        deviation = deviation - deviation / kShortEpochs + off / kShortEpochs;
        average = average - average / memory + now / memory;
        age = sat_add<uint16_t>(age, 1);
    }
};

} // namespace tm

#endif
