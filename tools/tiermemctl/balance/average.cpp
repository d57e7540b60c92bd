// SPDX-License-Identifier: GPL-2.0-or-later
// average.cpp - the mean of a machine's curves
//
// Curves are mixed by heat: of n curves each contributes 1/n of its bytes at
// the heat that it gave them, as the mean of distributions does. So a noisy
// guest's curve has soft edges, and a border between two equal machines settles
// instead of jumping to and fro. What is of similar heat is put together until
// the points suffice.
#include "curve.h"

#include <algorithm>

namespace tiermem::balance {

namespace {
// So many curves the mean remembers.
constexpr std::uint32_t kRemembered = 16;
// Their pieces are multiplied by less than that.
static_assert(kMaxBytes <= ~std::uint64_t{0} / (kRemembered - 1) &&
              kMaxRate << kMeanShift <= kMaxBytes);
constexpr std::uint64_t kPermille = 1000;
constexpr std::uint64_t kLeastChange = 125; // permille

struct Mixed {
    std::uint64_t bytes;
    std::uint64_t rate;
    std::uint64_t heat;
};

struct Mixture {
    std::size_t count = 0;
    std::array<Mixed, 2 * kCurvePoints> parts;
};

// One of the two curves' pieces, hottest first, at its share of the mean.
class Source {
public:
    Source(const Curve& curve, std::uint64_t times, std::uint64_t of)
        : curve_(curve), times_(times), of_(of) {
        next();
    }
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] const Mixed& front() const { return front_; }
    void next() {
        done_ = true;
        while (at_ < curve_.count && done_) {
            const Piece part = piece(curve_, at_++);
            front_ = {part.bytes * times_ / of_, part.rate * times_ / of_, 0};
            done_ = front_.bytes == 0 || front_.rate == 0;
        }
        if (!done_)
            front_.heat = heat(front_.rate, front_.bytes);
    }

private:
    const Curve& curve_;
    std::uint64_t times_;
    std::uint64_t of_;
    std::size_t at_ = 0;
    bool done_ = true;
    Mixed front_{};
};

Mixture mix(Source old, Source fresh) {
    Mixture mixture;
    while (!old.done() || !fresh.done()) {
        Source& hotter =
            fresh.done() || (!old.done() && old.front().heat >= fresh.front().heat) ? old : fresh;
        mixture.parts[mixture.count++] = hotter.front();
        hotter.next();
    }
    return mixture;
}

// The gap in heat below which neighbours are put together, so that at most
// kCurvePoints are left: the n-th smallest, n being how many are too many.
std::uint64_t closest(const Mixture& mixture) {
    if (mixture.count <= kCurvePoints)
        return 0;
    std::array<std::uint64_t, 2 * kCurvePoints> gaps;
    for (std::size_t i = 1; i < mixture.count; i++)
        gaps[i - 1] = less(mixture.parts[i - 1].heat, mixture.parts[i].heat);
    const std::size_t nth = mixture.count - kCurvePoints - 1;
    std::nth_element(gaps.data(), gaps.data() + nth, gaps.data() + mixture.count - 1);
    return gaps[nth];
}

void put_together(const Mixture& mixture, Curve& curve) {
    const std::uint64_t gap = closest(mixture);
    Point end{};
    curve.count = 0;
    for (std::size_t i = 0; i < mixture.count; i++) {
        const Mixed& part = mixture.parts[i];
        end = {end.bytes + part.bytes, end.rate + part.rate};
        const bool joins = i > 0 && less(mixture.parts[i - 1].heat, part.heat) <= gap;
        curve.points[joins ? curve.count - 1 : curve.count++] = end;
    }
}

// Permille of the greater one by which the rates of two curves differ, at most.
std::uint64_t deviation(const Curve& average, const Curve& fresh, std::uint64_t held) {
    std::uint64_t most = 0;
    for (const std::uint64_t bytes : {held / 2, held, 2 * held, kMaxBytes}) {
        const std::uint64_t was = rate_within(average, bytes);
        const std::uint64_t is = rate_within(fresh, bytes);
        const std::uint64_t greater = std::max({was, is, std::uint64_t{1}});
        most = std::max(most, portion(kPermille, greater - std::min(was, is), greater));
    }
    return most;
}

// So much, in permille, is a change and not chance.
std::uint64_t change(const Memory& memory) {
    return std::clamp<std::uint64_t>(3 * memory.noise / kNoiseUnit, kLeastChange, kPermille / 2);
}
} // namespace

void learn(Memory& memory, const Curve& curve, std::uint64_t held) {
    Curve fresh = curve;
    for (Point& point : fresh.points)
        point.rate = std::min(point.rate, kMaxRate) << kMeanShift;
    const std::uint64_t differs = memory.samples == 0 ? 0 : deviation(memory.average, fresh, held);
    const bool changed = differs > change(memory);
    // Only by and by does what looks like changes count as chance.
    const auto noise = static_cast<std::uint32_t>(std::min(differs, kPermille / 2) * kNoiseUnit);
    memory.noise = memory.noise - memory.noise / kRemembered + noise / kRemembered;
    if (memory.samples == 0 || changed) {
        memory.average = fresh;
        memory.samples = 1;
        return;
    }
    const std::uint32_t samples = memory.samples = std::min(memory.samples + 1, kRemembered);
    put_together(mix(Source(memory.average, samples - 1, samples), Source(fresh, 1, samples)),
                 memory.average);
}

} // namespace tiermem::balance
