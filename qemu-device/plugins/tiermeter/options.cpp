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
        else
            throw std::invalid_argument("unknown option '" + std::string(name) +
                                        "'; counts and period-ms are allowed");
    }
    if (options.counts.empty())
        throw std::invalid_argument("counts=PATH is missing: where the counts are published");
    return options;
}

} // namespace tiermeter
