// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <bit>
#include <charconv>
#include <stdexcept>
#include <string_view>

#include "tiers.h"

namespace tiermeter {
namespace {

using Words = std::string_view;

constexpr std::uint64_t min_bandwidth = 1 << 20;

[[noreturn]] void refuse(Words name, Words value, const std::string& allowed) {
    throw std::invalid_argument(std::string(name) + "=" + std::string(value) + ": " + allowed);
}

bool parse(Words digits, std::uint64_t& value, int base = 10) {
    const auto last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, value, base);
    return error == std::errc{} && end == last;
}

std::uint64_t whole_number(Words name, Words text, std::uint64_t min, std::uint64_t max) {
    std::uint64_t value = 0;
    if (!parse(text, value) || value < min || value > max)
        refuse(name, text,
               "a whole number from " + std::to_string(min) + " to " + std::to_string(max) +
                   " is allowed");
    return value;
}

// Bytes: a whole number, which K, M or G may follow.
bool parse_size(Words text, std::uint64_t& bytes) {
    constexpr Words suffixes = "KMG";
    const auto suffix = text.empty() ? Words::npos : suffixes.find(text.back());
    const unsigned shift = suffix == Words::npos ? 0 : 10 * (static_cast<unsigned>(suffix) + 1);
    if (shift)
        text.remove_suffix(1);
    if (!parse(text, bytes) || bytes > UINT64_MAX >> shift)
        return false;
    bytes <<= shift;
    return true;
}

std::uint64_t size(Words name, Words text) {
    std::uint64_t bytes = 0;
    if (!parse_size(text, bytes))
        refuse(name, text, "a whole number of bytes is allowed, or one of K, M or G");
    return bytes;
}

std::uint64_t bandwidth(Words name, Words text) {
    const auto bytes = size(name, text);
    if (bytes && bytes < min_bandwidth)
        refuse(name, text, "0 or at least 1M is allowed");
    return bytes;
}

bool on_or_off(Words name, Words text) {
    if (text != "on" && text != "off")
        refuse(name, text, "on or off is allowed");
    return text == "on";
}

// "A:B:...": one for each tier, the fastest first.
template<class Number, class ParseOne>
std::vector<Number> by_tier(Words name, Words text, ParseOne parse_one) {
    std::vector<Number> numbers;
    for (auto rest = text;;) {
        const auto colon = rest.find(':');
        numbers.push_back(static_cast<Number>(parse_one(rest.substr(0, colon))));
        if (colon == Words::npos)
            break;
        rest.remove_prefix(colon + 1);
    }
    if (numbers.size() > max_tiers)
        refuse(name, text, "at most " + std::to_string(max_tiers) + " tiers are allowed");
    return numbers;
}

// "FIRST-END", hexadecimal, with or without 0x.
AddressRange address_range(Words name, Words text) {
    const auto number = [](Words digits, std::uint64_t& value) {
        if (digits.starts_with("0x"))
            digits.remove_prefix(2);
        return parse(digits, value, 16);
    };
    const auto dash = text.find('-');
    AddressRange range;
    if (dash == Words::npos || !number(text.substr(0, dash), range.first) ||
        !number(text.substr(dash + 1), range.end) || range.first >= range.end)
        refuse(name, text, "FIRST-END is allowed, two hexadecimal addresses, FIRST below END");
    return range;
}

std::uint32_t tlb_entries(Words name, Words text) {
    constexpr std::uint64_t min = 64, max = 4'194'304;
    std::uint64_t entries = 0;
    if (!parse(text, entries) ||
        (entries && (entries < min || entries > max || !std::has_single_bit(entries))))
        refuse(name, text, "0 or a power of two from 64 to 4194304 is allowed");
    return static_cast<std::uint32_t>(entries);
}

struct Option {
    Words name;
    void (*set)(Options&, Words name, Words value);
};

constexpr std::uint64_t max_ms = 60'000;
constexpr std::uint64_t max_ns = 1'000'000;
constexpr std::uint64_t max_batch = 1 << 24; // pages
constexpr std::uint64_t max_walk = 24;       // references: four levels in each of two dimensions
constexpr std::uint64_t max_bandwidth = std::uint64_t{1} << 40;

constexpr Option all_options[] = {
    {"log", [](Options& o, Words, Words value) { o.log = value; }},
    {"interval-ms",
     [](Options& o, Words name, Words value) {
         o.interval = std::chrono::milliseconds(whole_number(name, value, 1, max_ms));
     }},
    {"llc-size", [](Options& o, Words name, Words value) { o.llc.size = size(name, value); }},
    {"llc-ways",
     [](Options& o, Words name, Words value) {
         o.llc.ways = static_cast<std::uint32_t>(whole_number(name, value, 1, max_ways));
     }},
    {"llc-line",
     [](Options& o, Words name, Words value) {
         o.llc.line = static_cast<std::uint32_t>(whole_number(name, value, min_line, max_line));
     }},
    {"clock", [](Options& o, Words name, Words value) { o.clock = on_or_off(name, value); }},
    {"latency",
     [](Options& o, Words name, Words value) {
         o.latency = by_tier<std::uint32_t>(
             name, value, [&](Words one) { return whole_number(name, one, 0, max_ns); });
     }},
    {"bandwidth",
     [](Options& o, Words name, Words value) {
         o.bandwidth =
             by_tier<std::uint64_t>(name, value, [&](Words one) { return bandwidth(name, one); });
     }},
    {"hit-latency",
     [](Options& o, Words name, Words value) {
         o.hit_latency = static_cast<std::uint32_t>(whole_number(name, value, 0, max_ns));
     }},
    {"tlb-entries",
     [](Options& o, Words name, Words value) { o.tlb_entries = tlb_entries(name, value); }},
    {"hv-fast", [](Options& o, Words name, Words value) { o.hypervisor.fast = size(name, value); }},
    {"hv-scan-ms",
     [](Options& o, Words name, Words value) {
         o.hypervisor.scan_ns = whole_number(name, value, 1, max_ms) * 1'000'000;
     }},
    {"hv-batch",
     [](Options& o, Words name, Words value) {
         o.hypervisor.batch = static_cast<std::uint32_t>(whole_number(name, value, 0, max_batch));
     }},
    {"hv-bandwidth",
     [](Options& o, Words name, Words value) {
         o.hypervisor.bandwidth = size(name, value);
         if (o.hypervisor.bandwidth < min_bandwidth || o.hypervisor.bandwidth > max_bandwidth)
             refuse(name, value, "1M to 1024G is allowed");
     }},
    {"hv-flush-ns",
     [](Options& o, Words name, Words value) {
         o.hypervisor.flush_ns = static_cast<std::uint32_t>(whole_number(name, value, 0, max_ns));
     }},
    {"hv-walk-references",
     [](Options& o, Words name, Words value) {
         o.hypervisor.walk_references =
             static_cast<std::uint32_t>(whole_number(name, value, 0, max_walk));
     }},
    {"hv-reference-ns",
     [](Options& o, Words name, Words value) {
         o.hypervisor.reference_ns =
             static_cast<std::uint32_t>(whole_number(name, value, 0, max_ns));
     }},
    {"hv-charge",
     [](Options& o, Words name, Words value) {
         if (value != "all" && value != "copies" && value != "none")
             refuse(name, value, "all, copies or none is allowed");
         o.hypervisor.charge_tracking = value == "all";
         o.hypervisor.charge_copies = value != "none";
     }},
    {"counts", [](Options& o, Words, Words value) { o.counts = value; }},
    {"period-ms",
     [](Options& o, Words name, Words value) {
         o.period = std::chrono::milliseconds(whole_number(name, value, 1, max_ms));
     }},
    {"range", [](Options& o, Words name, Words value) { o.range = address_range(name, value); }},
};

[[noreturn]] void refuse_unknown(Words name) {
    std::string names;
    for (const auto& option : all_options)
        names += (names.empty() ? "" : ", ") + std::string(option.name);
    throw std::invalid_argument("unknown option '" + std::string(name) +
                                "'; allowed are: " + names);
}

void parse_word(Options& options, Words word) {
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    const auto value = equals == Words::npos ? Words() : word.substr(equals + 1);
    for (const auto& option : all_options)
        if (option.name == name)
            return option.set(options, name, value);
    refuse_unknown(name);
}

} // namespace

Options parse_options(int count, const char* const* words) {
    Options options;
    for (int i = 0; i < count; i++)
        parse_word(options, words[i]);
    if (options.counts.empty() && options.log.empty())
        throw std::invalid_argument("log=PATH or counts=PATH is missing: where to say what was "
                                    "metered");
    if (options.clock && options.log.empty())
        throw std::invalid_argument("clock=on needs log=PATH: without it no access is looked at");
    if (options.hypervisor.fast && !options.clock)
        throw std::invalid_argument("hv-fast needs clock=on: scans come by guest time");
    check_shape(options.llc);
    return options;
}

} // namespace tiermeter
