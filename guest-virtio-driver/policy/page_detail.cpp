// SPDX-License-Identifier: GPL-2.0-or-later
// page_detail.cpp - see page_detail.hpp
#include "page_detail.hpp"

namespace tiermem {

void PageDetail::reset(uint16_t node) {
    *this = PageDetail{};
    owner = node;
    in_use = true;
    median = 1;
    prior = kPriorMax;
}

void PageDetail::fade(unsigned times) {
    for (; times > 0; times--) {
        sum = 0;
        for (uint8_t& c : code) {
            c = code_half(c);
            sum += code_value(c);
        }
        median = median >= 2 ? code_half(median) : uint8_t{1};
    }
}

// The share of samples that falls on the pages that used to hold half of the
// heat only rises while a pattern is learnt, and stays while it is true. When
// it drops to less than half of what it was, and by more than four standard
// deviations, the pattern has changed: what is known counts 1/16 from now on.
// Not so when a stream goes through pages that are cold otherwise: it brings more
// heat than usual, and is gone in the next epoch, which must confirm the change.
bool PageDetail::settle(bool raised) {
    bool forgotten = false;
    if (seen >= 16) {
        const uint64_t usual = uint64_t{predicted} * seen / 256;
        const auto now = static_cast<uint32_t>(uint64_t{expected} * 255 / seen);
        if (uint64_t{expected} * 2 < usual && usual - expected > 4 * isqrt(usual)) {
            forgotten = !raised || doubted;
            doubted = !forgotten;
            if (forgotten) {
                fade(4);
                predicted = 0;
            }
        } else {
            doubted = false;
            predicted = static_cast<uint8_t>((predicted * 3U + now) / 4);
        }
        seen = 0;
        expected = 0;
    }
    if (sum >= kFullSamplesPerPage * kPages * kSampleUnits)
        fade(1);
    return forgotten;
}

// Samples of a page with rate r are Poisson, so over the pages
// variance = mean + variance(r). Rates are taken to be gamma distributed with
// shape k = mean^2 / (variance - mean); then (n + k) / (mean + k) times the mean
// rate is the expectation for a page with n samples (empirical Bayes, the
// method of moments). k large: no page differs by more than chance explains,
// all rank like their range. k small: each count speaks for itself. A few pages that
// are far hotter would make k small for all the others, of which most may be alike: so
// they are left out, and their own counts say enough.
namespace {
// Chance alone does not make a page of the others stand out, be their mean .1 or 10 samples.
constexpr uint64_t kStandOutTimes = 16;
constexpr uint64_t kStandOutSamples = 8;

// Three standard deviations of the variance of 512 Poisson counts whose sum is
// `sum` units: chance * sqrt((2 + 1/mean) / 512). With few samples the variance
// itself is that uncertain, and what exceeds chance by less is taken for chance.
uint64_t chance_error(uint64_t chance, uint32_t sum) {
    constexpr uint64_t scale = 1024;
    const uint64_t inverse_mean = uint64_t{kPages} * kSampleUnits * scale / (sum + 1ULL);
    return 3 * chance * sqrt_about((2 * scale + inverse_mean) * scale / kPages) / scale;
}
} // namespace

void PageDetail::study(const CodeCount* counts, unsigned number) {
    const uint64_t mean = sum / kPages;
    const uint64_t most = kStandOutTimes * mean + kStandOutSamples * kSampleUnits;
    uint64_t squares = 0;
    uint64_t alike = 0; // what the pages have that do not stand out
    uint64_t pages = kPages;
    uint64_t above = 0;
    bool found = false;
    for (unsigned i = number; i > 0 && counts[i - 1].code > 0; i--) {
        const CodeCount& count = counts[i - 1];
        const uint64_t value = code_value(count.code);
        if (value > most) {
            pages -= count.all;
        } else {
            squares += count.all * value * value;
            alike += count.all * value;
        }
        above += count.all * value;
        if (!found && above * 2 >= sum) {
            median = count.code;
            found = true;
        }
    }
    const uint64_t common = alike / pages;
    const uint64_t variance = sat_sub(squares / pages, alike * alike / pages / pages);
    const uint64_t chance = alike * kSampleUnits / pages;
    const uint64_t excess = variance > chance + chance_error(chance, clamp_u32(alike)) ? variance - chance : 0;
    const uint64_t k = excess == 0 ? kPriorMax : common * common * kSampleUnits / excess;
    prior = static_cast<uint16_t>(k < kPriorMin ? kPriorMin : (k > kPriorMax ? kPriorMax : k));
    even = mean >= 4 * kSampleUnits && excess == 0 && pages == kPages;
}

} // namespace tiermem
