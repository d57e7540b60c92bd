// SPDX-License-Identifier: GPL-2.0-or-later
// page.cpp - the rows of `top` as the lines of a terminal of some size
#include "page.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/quantity.h"
#include "base/table.h"

namespace tiermemctl {
namespace {

struct Column {
    const char* title;
    size_t width; // without the space before it
    size_t from;  // shown in terminals of at least this many columns
    bool left;    // aligned to the left
    std::function<std::string(const Row&)> cell;
};

// guar, burst, best: the class up to where it can be told from others.
std::string short_class(const std::string& service_class) {
    return service_class.substr(0, service_class.starts_with("burst") ? 5 : 4);
}

std::string rate(std::optional<double> per_second) {
    return per_second ? format_short(static_cast<uint64_t>(*per_second)) : "-";
}

std::string percent(std::optional<double> part) {
    return part ? fmt::format("{:.1f}%", 100 * *part) : "-";
}

std::string maybe(std::optional<uint64_t> bytes) {
    return bytes ? format_short(*bytes) : "-";
}

// The least wide terminals have 80 columns: the sum of what is always shown, but for the last.
const std::vector<Column>& columns() {
    static const std::vector<Column> all = {
        {"CLASS", 11, 110, true, [](const Row& row) { return row.service_class; }},
        {"CLASS", 5, 0, true, [](const Row& row) { return short_class(row.service_class); }},
        {"WT", 5, 0, false, [](const Row& row) { return fmt::format("{}", row.weight); }},
        {"SIZE", 5, 120, false, [](const Row& row) { return format_short(row.size); }},
        {"QUOTA", 5, 0, false, [](const Row& row) { return format_short(row.quota); }},
        {"HAS", 5, 0, false, [](const Row& row) { return format_short(row.actual); }},
        {"USES", 5, 0, false, [](const Row& row) { return maybe(row.resident); }},
        {"FREE", 5, 120, false, [](const Row& row) { return maybe(row.free); }},
        {"SLOW", 5, 110, false, [](const Row& row) { return format_short(row.slow_quota); }},
        {"HAS", 5, 120, false, [](const Row& row) { return format_short(row.slow_actual); }},
        {"FAST%", 6, 0, false, [](const Row& row) { return percent(row.fast_share); }},
        {"PROM/s", 6, 0, false, [](const Row& row) { return rate(row.promoted); }},
        {"DEM/s", 6, 0, false, [](const Row& row) { return rate(row.demoted); }},
        {"CPU%", 6, 110, false, [](const Row& row) { return percent(row.cpu); }}};
    return all;
}

constexpr size_t NAME = 12, LONG_NAME = 24, WIDE = 110;

std::string fit(const std::string& text, size_t width, bool left) {
    const std::string cut = text.size() > width ? text.substr(0, width - 1) + "+" : text;
    return left ? fmt::format("{:<{}}", cut, width) : fmt::format("{:>{}}", cut, width);
}

// Of columns with the same title side by side, the first that fits.
std::vector<const Column*> shown(size_t width) {
    std::vector<const Column*> some;
    for (const Column& column : columns()) {
        const bool again = !some.empty() && some.back()->left && column.left;
        if (width >= column.from && !again)
            some.push_back(&column);
    }
    return some;
}

std::string line(const std::string& name, const std::vector<const Column*>& some, size_t width,
                 const std::string& last, const std::function<std::string(const Column&)>& cell) {
    std::string text = fit(name, width >= WIDE ? LONG_NAME : NAME, true);
    for (const Column* column : some)
        text += " " + fit(cell(*column), column->width, column->left);
    text += " " + last;
    text = text.substr(0, width);
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

std::string summary(const std::vector<Row>& rows, const std::string& time, size_t width) {
    uint64_t quota = 0, actual = 0, resident = 0;
    size_t silent = 0;
    for (const Row& row : rows) {
        quota += row.quota;
        actual += row.actual;
        resident += row.resident.value_or(0);
        silent += row.error.empty() ? 0 : 1;
    }
    const std::string missing = silent > 0 ? fmt::format(" ({} silent)", silent) : "";
    return fmt::format("{}  {} machine{}{}  fast: quotas {}, had {}, used {}", time, rows.size(),
                       rows.size() == 1 ? "" : "s", missing, format_short(quota),
                       format_short(actual), format_short(resident))
        .substr(0, width);
}

} // namespace

Page make_page(const std::vector<Row>& rows, const std::string& time, size_t width) {
    const auto some = shown(width);
    Page page;
    page.summary = summary(rows, time, width);
    page.head =
        line("MACHINE", some, width, "PRESSURE", [](const Column& column) { return column.title; });
    for (const Row& row : rows)
        page.lines.push_back(line(printable(row.machine), some, width, printable(row.pressure),
                                  [&row](const Column& column) {
                                      return row.error.empty() ? printable(column.cell(row))
                                                               : std::string();
                                  }));
    page.foot =
        std::string("q quit  sort: n name, f quota, s fast share, p promotions  up/down scroll")
            .substr(0, width);
    for (const Row& row : rows)
        if (!row.error.empty())
            page.foot = printable(row.error).substr(0, width);
    return page;
}

} // namespace tiermemctl
