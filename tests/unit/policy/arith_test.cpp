// SPDX-License-Identifier: GPL-2.0-or-later
// arith_test.cpp - saturation, logarithms and counters, at their limits
#include <criterion/criterion.h>

#include <cmath>
#include <cstdint>

#include "heat_code.hpp"

using namespace tiermem;

namespace {
constexpr uint64_t kMax64 = ~uint64_t{0};
constexpr uint32_t kMax32 = ~uint32_t{0};
} // namespace

Test(arith, sums_saturate) {
    cr_assert_eq(sat_add<uint32_t>(0, 0), 0U);
    cr_assert_eq(sat_add<uint32_t>(kMax32 - 1, 1), kMax32);
    cr_assert_eq(sat_add<uint32_t>(kMax32, 1), kMax32);
    cr_assert_eq(sat_add<uint64_t>(kMax64, kMax64), kMax64);
    cr_assert_eq(sat_add<uint8_t>(254, 1), 255);
    cr_assert_eq(sat_add<uint8_t>(255, 1), 255);
    cr_assert_eq(sat_sub<uint32_t>(1, 2), 0U);
    cr_assert_eq(sat_sub<uint32_t>(2, 2), 0U);
    cr_assert_eq(sat_sub<uint32_t>(kMax32, 1), kMax32 - 1);
    cr_assert_eq(sat_mul(kMax64, 1), kMax64);
    cr_assert_eq(sat_mul(kMax64, 2), kMax64);
    cr_assert_eq(sat_mul(kMax64, 0), 0U);
    cr_assert_eq(clamp_u32(kMax32), kMax32);
    cr_assert_eq(clamp_u32(uint64_t{kMax32} + 1), kMax32);
}

Test(arith, mul_div_survives_overflow) {
    cr_assert_eq(mul_div(6, 7, 2), 21U);
    cr_assert_eq(mul_div(0, kMax64, 5), 0U);
    cr_assert_eq(mul_div(kMax64, kMax64, 1), kMax64);
    cr_assert_eq(mul_div(kMax64, 1, kMax64), 1U);
    const auto wide = static_cast<double>(mul_div(kMax64, 1000, 2000));
    cr_assert(std::fabs(wide / 0x1p63 - 1) < 0.01, "%f", wide);
    const auto wider = static_cast<double>(mul_div(1000, kMax64, 2000));
    cr_assert(std::fabs(wider / 0x1p63 - 1) < 0.01, "%f", wider);
}

Test(arith, median_of_three) {
    const uint32_t v[3] = {1, 5, 9};
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int c = 0; c < 3; c++) {
                const int order[3] = {a, b, c};
                int sorted[3] = {a, b, c};
                for (int i = 0; i < 3; i++)
                    for (int k = i + 1; k < 3; k++)
                        if (sorted[k] < sorted[i]) {
                            const int t = sorted[i];
                            sorted[i] = sorted[k];
                            sorted[k] = t;
                        }
                cr_assert_eq(median3(v[order[0]], v[order[1]], v[order[2]]), v[sorted[1]]);
            }
}

Test(arith, roots) {
    cr_assert_eq(isqrt(0), 0U);
    cr_assert_eq(isqrt(1), 1U);
    cr_assert_eq(isqrt(kMax64), kMax32);
    for (uint64_t v = 1; v < 200000; v += 37) {
        const uint64_t root = isqrt(v);
        cr_assert(root * root <= v && (root + 1) * (root + 1) > v);
        const double about = sqrt_about(v);
        cr_assert(about <= std::sqrt(static_cast<double>(v)) && about > std::sqrt(static_cast<double>(v)) * 0.97 - 1);
    }
    cr_assert_eq(sqrt_about(0), 0U);
    cr_assert_eq(sqrt_about(255), 15U);
    cr_assert_eq(sqrt_about(256), 16U);
    cr_assert_gt(sqrt_about(kMax64), kMax32 / 100 * 97);
}

Test(arith, bits) {
    cr_assert_eq(count_bits(0), 0U);
    cr_assert_eq(count_bits(kMax64), 64U);
    cr_assert_eq(count_bits(0x8000000000000001ULL), 2U);
    cr_assert_eq(log2_floor(0), 0U);
    cr_assert_eq(log2_floor(1), 0U);
    cr_assert_eq(log2_floor(kMax64), 63U);
}

Test(arith, logarithms_and_back) {
    cr_assert_eq(log16(0), 0);
    cr_assert_eq(log16(1), 0);
    cr_assert_eq(log16(2), 16);
    cr_assert_eq(log16(1024), 160);
    for (uint64_t v = 2; v < (uint64_t{1} << 62); v += v / 4 + 1) {
        const double exact = 16 * std::log2(static_cast<double>(v));
        cr_assert(std::fabs(log16(v) - exact) <= 1.3, "%f %d", exact, log16(v));
        const auto back = static_cast<double>(exp16(log16(v), 0));
        cr_assert(back <= static_cast<double>(v) * 1.05 && back >= static_cast<double>(v) * 0.90 - 1);
    }
    cr_assert_eq(exp16(0, 0), 1U);
    cr_assert_eq(exp16(0, 8), 256U);
    cr_assert_eq(exp16(-16, 8), 128U);
    cr_assert_eq(exp16(-2000, 8), 0U);
    cr_assert_eq(exp16(2000, 8), kMax64);
    for (int e = 1; e < 900; e++)
        cr_assert_geq(exp16(e, 0), exp16(e - 1, 0));
}

Test(heat_code, values_grow) {
    for (unsigned c = 1; c < 256; c++) {
        const uint32_t value = code_value(static_cast<uint8_t>(c));
        cr_assert_gt(value, code_value(static_cast<uint8_t>(c - 1)));
        cr_assert_eq(code_floor(value), c);
        cr_assert_eq(code_floor(value - 1), c - 1);
        cr_assert(c < 32 ? code_half(static_cast<uint8_t>(c)) == c / 2
                         : code_value(code_half(static_cast<uint8_t>(c))) * 2 == value);
    }
    cr_assert_eq(code_floor(0), 0);
    cr_assert_eq(code_floor(kMax32), 255);
    cr_assert_eq(code_half(0), 0);
}

Test(heat_code, counts_exactly_then_without_bias) {
    Rng rng(7);
    uint8_t code = 0;
    uint32_t added = 0;
    for (uint32_t n = 1; n <= 32; n++) {
        code = code_count(code, rng, added);
        cr_assert_eq(added, kSampleUnits);
        cr_assert_eq(code_value(code), n * kSampleUnits);
    }
    double sum = 0;
    for (int run = 0; run < 2000; run++) {
        code = 0;
        uint32_t value = 0;
        for (int n = 0; n < 2000; n++) {
            code = code_count(code, rng, added);
            value += added;
            cr_assert_eq(value, code_value(code));
        }
        sum += value;
    }
    cr_assert(std::fabs(sum / 2000 / kSampleUnits / 2000 - 1) < 0.015, "%f", sum / 2000 / kSampleUnits);
}

Test(heat_code, counters_saturate) {
    Rng rng(0);
    uint32_t added = 1;
    cr_assert_eq(code_count(255, rng, added), 255);
    cr_assert_eq(added, 0U);
    uint8_t code = 254;
    for (int i = 0; i < 100000 && code != 255; i++)
        code = code_count(code, rng, added);
    cr_assert_eq(code, 255);
}
