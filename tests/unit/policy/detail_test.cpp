// SPDX-License-Identifier: GPL-2.0-or-later
// detail_test.cpp - the pattern of heat within 2 MiB
#include <criterion/criterion.h>

#include <algorithm>
#include <vector>

#include "page_detail.hpp"

using namespace tiermem;

namespace {
std::vector<CodeCount> counts_of(const PageDetail& d) {
    std::vector<CodeCount> counts;
    for (unsigned c = 0; c < 256; c++) {
        const auto n = static_cast<uint16_t>(std::count(d.code, d.code + kPages, static_cast<uint8_t>(c)));
        if (n > 0)
            counts.push_back({n, 0, 0, static_cast<uint8_t>(c)});
    }
    return counts;
}

void study(PageDetail& d) {
    const auto counts = counts_of(d);
    d.study(counts.data(), static_cast<unsigned>(counts.size()));
}

uint32_t sum_of(const PageDetail& d) {
    uint32_t sum = 0;
    for (const uint8_t c : d.code)
        sum += code_value(c);
    return sum;
}
} // namespace

Test(detail, page_set) {
    PageSet set{};
    for (const unsigned p : {0U, 63U, 64U, 511U}) {
        cr_assert_not(set.test(p));
        set.set(p);
        cr_assert(set.test(p));
    }
    cr_assert_eq(set.count(), 4U);
    set.assign(63, false);
    set.assign(1, true);
    set.clear(0);
    cr_assert(set.test(1) && !set.test(0) && !set.test(63));
}

Test(detail, counts_and_tiers) {
    PageDetail d{};
    Rng rng(3);
    d.reset(7);
    cr_assert_eq(d.owner, 7);
    d.record(0, 0, rng);
    d.record(511, 1, rng);
    d.record(511, 0xff, rng);
    cr_assert(d.fast.test(0) && !d.fast.test(511));
    cr_assert(d.missing, "no page was known to be there");
    cr_assert_eq(d.code[511], 2 * kSampleUnits);
    cr_assert_eq(d.sum, 3 * kSampleUnits);
    cr_assert_eq(d.weight(), d.sum + kPages * kPriorMax);
    d.record(0, 1, rng);
    cr_assert_not(d.fast.test(0));
}

Test(detail, known_pages_are_not_missing) {
    PageDetail d{};
    Rng rng(3);
    d.reset(0);
    d.movable.set(5);
    d.record(5, 1, rng);
    cr_assert_not(d.missing);
}

Test(detail, even_heat_is_found_even) {
    PageDetail d{};
    Rng rng(11);
    d.reset(0);
    for (int i = 0; i < 512 * 8; i++)
        d.record(rng.next() % kPages, 1, rng);
    study(d);
    cr_assert(d.even);
    cr_assert_eq(d.prior, kPriorMax);
}

Test(detail, uneven_heat_is_not) {
    PageDetail d{};
    Rng rng(11);
    d.reset(0);
    for (int i = 0; i < 512 * 8; i++)
        d.record(rng.next() % 64, 1, rng);
    study(d);
    cr_assert_not(d.even);
    cr_assert_lt(d.prior, 16 * kSampleUnits);
    cr_assert_gt(d.median, 0);
}

// Half of the pages have three times the rate of the others: their mean is 2 deviations, k = 4 samples. A few that are
// hotter by far do not make the rest less alike.
Test(detail, how_much_pages_are_alike_is_estimated) {
    for (const unsigned standing_out : {0U, 4U}) {
        PageDetail d{};
        Rng rng(3);
        d.reset(0);
        for (int i = 0; i < 512 * 8; i++) {
            const auto page = static_cast<unsigned>(rng.next() % kPages);
            d.record(page % 2 == 0 || rng.next() % 3 == 0 ? page : page ^ 1, 1, rng);
        }
        for (unsigned i = 0; i < standing_out * 400; i++)
            d.record(i % standing_out, 1, rng);
        study(d);
        cr_assert(d.prior >= 2 * kSampleUnits && d.prior <= 8 * kSampleUnits, "%u", d.prior);
        cr_assert_not(d.even);
    }
}

Test(detail, few_samples_show_nothing) {
    PageDetail d{};
    Rng rng(5);
    d.reset(0);
    study(d);
    cr_assert_eq(d.prior, kPriorMax);
    d.record(100, 1, rng);
    study(d);
    cr_assert_not(d.even);
    cr_assert_eq(d.median, kSampleUnits);
}

Test(detail, halves_when_full) {
    PageDetail d{};
    Rng rng(5);
    d.reset(0);
    for (uint32_t i = 0; d.sum < kFullSamplesPerPage * kPages * kSampleUnits; i++)
        d.record(i % kPages, 1, rng);
    const uint32_t full = d.sum;
    cr_assert_not(d.settle(false));
    cr_assert_leq(d.sum, full / 2);
    cr_assert_eq(d.sum, sum_of(d));
    d.fade(40);
    cr_assert_eq(d.sum, 0U);
    cr_assert_geq(d.median, 1);
}

namespace {
// 20 epochs in which pages 0 to 39 get all there is.
void learn(PageDetail& d, Rng& rng) {
    d.reset(0);
    for (int e = 0; e < 20; e++) {
        for (int i = 0; i < 1000; i++)
            d.record(rng.next() % 40, 1, rng);
        cr_assert_not(d.settle(false), "epoch %d", e);
        study(d);
    }
}

void elsewhere(PageDetail& d, Rng& rng) {
    for (int i = 0; i < 1000; i++)
        d.record(200 + rng.next() % 40, 1, rng);
}
} // namespace

Test(detail, what_passes_is_no_change_of_the_pattern) {
    PageDetail d{};
    Rng rng(5);
    learn(d, rng);
    elsewhere(d, rng);
    cr_assert_not(d.settle(true), "perhaps a stream");
    for (int i = 0; i < 1000; i++)
        d.record(rng.next() % 40, 1, rng);
    cr_assert_not(d.settle(true), "which has passed");
    elsewhere(d, rng);
    cr_assert_not(d.settle(true), "another");
    elsewhere(d, rng);
    cr_assert(d.settle(true), "that does not pass");
}

Test(detail, a_pattern_that_no_longer_holds_is_forgotten) {
    PageDetail d{};
    Rng rng(5);
    learn(d, rng);
    const uint32_t before = d.sum;
    elsewhere(d, rng);
    cr_assert(d.settle(false));
    cr_assert_lt(d.sum, before / 8);
    cr_assert_eq(d.predicted, 0);
    cr_assert_eq(d.sum, sum_of(d));
}

Test(detail, too_few_samples_do_not_settle) {
    PageDetail d{};
    Rng rng(5);
    d.reset(0);
    for (int i = 0; i < 15; i++)
        d.record(1, 1, rng);
    d.settle(false);
    cr_assert_eq(d.seen, 15U, "kept until there are enough");
}
