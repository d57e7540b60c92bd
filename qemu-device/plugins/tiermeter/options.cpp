// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace tiermeter {
namespace {

constexpr int period_min = 1;
constexpr int period_max = 60'000;

std::chrono::milliseconds parse_period(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < period_min ||
        value > period_max)
        throw std::invalid_argument("period-ms=" + std::string(text) +
                                    ": a whole number from 1 to 60000 is allowed");
    return std::chrono::milliseconds(value);
}

// "FIRST-END", hexadecimal, with or without 0x.
AddressRange parse_range(std::string_view text) {
    const auto dash = text.find('-');
    const auto number = [](std::string_view digits, std::uint64_t& value) {
        if (digits.starts_with("0x"))
            digits.remove_prefix(2);
        const auto last = digits.data() + digits.size();
        const auto [end, error] = std::from_chars(digits.data(), last, value, 16);
        return error == std::errc{} && end == last;
    };
    AddressRange range;
    if (dash == text.npos || !number(text.substr(0, dash), range.first) ||
        !number(text.substr(dash + 1), range.end) || range.first >= range.end)
        throw std::invalid_argument("range=" + std::string(text) +
                                    ": FIRST-END is allowed, two hexadecimal addresses, FIRST "
                                    "below END");
    return range;
}

} // namespace

Options parse_options(int count, const char* const* words) {
    Options options;
    for (int i = 0; i < count; i++) {
        const std::string_view word = words[i];
        const auto equals = word.find('=');
        const auto name = word.substr(0, equals);
        const auto value = equals == word.npos ? std::string_view() : word.substr(equals + 1);
        if (name == "counts")
            options.counts = value;
        else if (name == "period-ms")
            options.period = parse_period(value);
        else if (name == "range")
            options.range = parse_range(value);
        else
            throw std::invalid_argument("unknown option '" + std::string(name) +
                                        "'; counts, period-ms and range are allowed");
    }
    if (options.counts.empty())
        throw std::invalid_argument("counts=PATH is missing: where the counts are published");
    return options;
}

} // namespace tiermeter
