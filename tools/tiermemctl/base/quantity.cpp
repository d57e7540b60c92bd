// SPDX-License-Identifier: GPL-2.0-or-later
// quantity.cpp - sizes, rates and durations as people write them
#include "quantity.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <limits>
#include <optional>

#include "failure.h"

namespace tiermemctl {
namespace {

constexpr uint64_t SIZE_LIMIT = uint64_t{1} << 48; // no machine has more than 256 TiB
constexpr std::string_view UNITS = "KMGT";
constexpr size_t MAX_DIGITS =
    15; // of a number: 10^15 and its products with 10^15 / 2^40 fit 64 bits

// A decimal number taken from the front of `text`, as value / 10^decimals.
struct Decimal {
    uint64_t value = 0;
    unsigned decimals = 0;
    size_t digits = 0;
};

Decimal take_number(std::string_view& text) {
    Decimal number;
    bool point = false;
    while (!text.empty() && number.digits <= MAX_DIGITS) {
        const char c = text.front();
        if (c == '.' && !point && number.digits > 0)
            point = true;
        else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
            number.value = number.value * 10 + static_cast<unsigned>(c - '0');
            number.digits++;
            number.decimals += point ? 1 : 0;
        } else
            break;
        text.remove_prefix(1);
    }
    if (point && number.decimals == 0)
        number.digits = 0; // "1." is no number
    return number;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ')
        text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ')
        text.remove_suffix(1);
    return text;
}

// The power of 1024 that a unit stands for; nothing if it is none.
std::optional<unsigned> power_of(std::string_view unit) {
    std::string name;
    for (const char c : unit)
        name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (name.empty() || name == "B")
        return 0;
    const size_t index = UNITS.find(name.front());
    if (index == std::string_view::npos)
        return std::nullopt;
    const std::string rest = name.substr(1);
    if (!rest.empty() && rest != "B" && rest != "IB")
        return std::nullopt;
    return static_cast<unsigned>(index) + 1;
}

// value / 10^decimals * 2^shift, or nothing if that is not whole or SIZE_LIMIT and more.
std::optional<uint64_t> whole_bytes(const Decimal& number, unsigned shift) {
    unsigned __int128 bytes = static_cast<unsigned __int128>(number.value) << shift;
    for (unsigned i = 0; i < number.decimals; i++) {
        if (bytes % 10 != 0)
            return std::nullopt;
        bytes /= 10;
    }
    return bytes < SIZE_LIMIT ? std::optional(static_cast<uint64_t>(bytes)) : SIZE_LIMIT;
}

} // namespace

uint64_t parse_size(std::string_view text) {
    std::string_view rest = trimmed(text);
    const Decimal number = take_number(rest);
    const auto power = power_of(rest);
    if (number.digits == 0 || number.digits > MAX_DIGITS || !power)
        throw BadInput(
            fmt::format("'{}' is no size: write a number and a unit K, M, G or T (512M, 1.5G), "
                        "or bytes without a unit",
                        text));
    const auto bytes = whole_bytes(number, *power * 10);
    if (!bytes)
        throw BadInput(fmt::format("'{}' is not a whole number of bytes", text));
    if (*bytes >= SIZE_LIMIT)
        throw BadInput(fmt::format("'{}' is too large: sizes stay below 256T", text));
    return *bytes;
}

uint64_t parse_rate(std::string_view text) {
    std::string_view size = trimmed(text);
    if (size.ends_with("/s"))
        size.remove_suffix(2);
    try {
        return parse_size(size);
    } catch (const BadInput&) {
        throw BadInput(
            fmt::format("'{}' is no rate: write bytes per second as a size, with or without /s "
                        "(64M/s)",
                        text));
    }
}

std::chrono::milliseconds parse_duration(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, uint64_t>, 4> units = {
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
    std::string_view rest = trimmed(text);
    const Decimal number = take_number(rest);
    uint64_t scale = 0;
    for (const auto& [name, milliseconds] : units)
        scale = rest == name ? milliseconds : scale;
    if (number.digits == 0 || number.digits > MAX_DIGITS || number.decimals > 0 || scale == 0)
        throw BadInput(fmt::format(
            "'{}' is no duration: write a whole number and a unit ms, s, m or h (500ms, 5s)",
            text));
    if (number.value == 0 || number.value > std::numeric_limits<uint32_t>::max() / scale)
        throw BadInput(fmt::format("'{}' is out of range: durations go from 1ms to 49 days", text));
    return std::chrono::milliseconds(number.value * scale);
}

std::string format_size(uint64_t bytes) {
    for (unsigned power = UNITS.size(); power > 0; power--)
        if (bytes != 0 && bytes % (uint64_t{1} << (10 * power)) == 0)
            return fmt::format("{}{}", bytes >> (10 * power), UNITS[power - 1]);
    return fmt::format("{}", bytes);
}

std::string format_short(uint64_t bytes) {
    if (bytes < 1000)
        return fmt::format("{}", bytes);
    auto value = static_cast<double>(bytes);
    size_t power = 0;
    for (; value >= 999.5 && power < UNITS.size(); power++)
        value /= 1024;
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f}{}", value, decimals, UNITS[power - 1]);
}

} // namespace tiermemctl
