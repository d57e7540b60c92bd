// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes, rates and durations as people write them.
#include "base/quantity.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <random>
#include <string>

#include "base/failure.h"

using namespace tiermemctl;
using std::chrono::milliseconds;

namespace {

template<typename Parse> bool refuses(Parse parse, const std::string& text) {
    try {
        static_cast<void>(parse(text));
        return false;
    } catch (const BadInput& bad) {
        return std::string(bad.what()).find(text) != std::string::npos &&
               bad.status() == EXIT_USAGE;
    }
}

constexpr uint64_t MIB = 1 << 20, GIB = 1 << 30, LIMIT = uint64_t{1} << 48;

} // namespace

Test(quantity, sizes_are_read) {
    const std::pair<const char*, uint64_t> sizes[] = {{"0", 0},
                                                      {"1", 1},
                                                      {"4096", 4096},
                                                      {"7B", 7},
                                                      {"1k", 1024},
                                                      {"512M", 512 * MIB},
                                                      {"1.5G", 3 * GIB / 2},
                                                      {"2GiB", 2 * GIB},
                                                      {"1mb", MIB},
                                                      {" 3T ", uint64_t{3} << 40},
                                                      {"255T", uint64_t{255} << 40},
                                                      {"281474976710655", LIMIT - 1},
                                                      {"0.5K", 512},
                                                      {"00001", 1}};
    for (const auto& [text, size] : sizes)
        cr_assert_eq(parse_size(text), size, "%s", text);
}

Test(quantity, what_is_no_size_is_refused_and_quoted) {
    for (const char* text : {"",
                             "-1",
                             "+1",
                             "1X",
                             "M",
                             "1..5G",
                             "0x10",
                             "1e3",
                             "0.3K",
                             "1 G 2",
                             "nan",
                             "1.G",
                             ".5G",
                             "1.5.5G",
                             "1GG",
                             "1KiBs",
                             "256T",
                             "281474976710656",
                             "9999999999999999999999",
                             "1000000000000000T",
                             "1,5G"})
        cr_assert(refuses(parse_size, text), "'%s'", text);
}

Test(quantity, rates_are_sizes_per_second) {
    cr_assert_eq(parse_rate("64M/s"), 64 * MIB);
    cr_assert_eq(parse_rate("0"), 0);
    for (const char* text : {"64M/h", "/s", "fast", "64M/s/s"})
        cr_assert(refuses(parse_rate, text), "'%s'", text);
}

Test(quantity, durations_need_a_unit) {
    cr_assert(parse_duration("500ms") == milliseconds(500));
    cr_assert(parse_duration("5s") == milliseconds(5000));
    cr_assert(parse_duration("2m") == milliseconds(120000));
    cr_assert(parse_duration("1h") == milliseconds(3600000));
    cr_assert(parse_duration("4294967295ms") == milliseconds(4294967295));
    for (const char* text : {"5", "", "s", "1.5s", "0s", "4294967296ms", "50d", "-1s", "1193h 1m",
                             "99999999999999999s"})
        cr_assert(refuses(parse_duration, text), "'%s'", text);
}

Test(quantity, what_is_written_can_be_read) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 10000; i++) {
        const uint64_t size = (random() & (LIMIT - 1)) >> (random() % 48);
        cr_assert_eq(parse_size(format_size(size)), size);
        const uint64_t pages = size & ~uint64_t{4095};
        cr_assert_eq(parse_size(format_size(pages)), pages);
    }
}

Test(quantity, short_forms_are_short_and_near) {
    cr_assert(eq(str, format_short(0), std::string("0")));
    cr_assert(eq(str, format_short(999), std::string("999")));
    cr_assert(eq(str, format_short(1000), std::string("0.98K")));
    cr_assert(eq(str, format_short(1023 * MIB), std::string("1.00G")));
    cr_assert(eq(str, format_short(512 * MIB), std::string("512M")));
    cr_assert(eq(str, format_short(3 * GIB / 2), std::string("1.50G")));
    std::mt19937_64 random(2);
    for (int i = 0; i < 10000; i++) {
        const uint64_t size = (random() & (LIMIT - 1)) >> (random() % 48);
        cr_assert_leq(format_short(size).size(), 5, "%s", format_short(size).c_str());
    }
}
