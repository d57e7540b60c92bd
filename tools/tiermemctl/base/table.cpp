// SPDX-License-Identifier: GPL-2.0-or-later
// table.cpp - text for terminals
#include "table.h"

#include <fmt/format.h>

#include <algorithm>

namespace tiermemctl {

std::string printable(std::string_view text) {
    std::string shown;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            shown += fmt::format("\\x{:02x}", byte);
        else
            shown += c;
    }
    return shown;
}

std::vector<size_t> Table::widths() const {
    std::vector<size_t> widths;
    for (size_t column = 0; column < titles_.size(); column++) {
        size_t width = title(column).size();
        for (const auto& row : rows_)
            width = std::max(width, row[column].size());
        widths.push_back(width);
    }
    return widths;
}

std::string Table::line(const std::vector<std::string>& cells,
                        const std::vector<size_t>& widths) const {
    std::string text;
    for (size_t column = 0; column < cells.size(); column++) {
        text += column > 0 ? "  " : "";
        text += right(column) ? fmt::format("{:>{}}", cells[column], widths[column])
                              : fmt::format("{:<{}}", cells[column], widths[column]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

std::string Table::text() const {
    const auto all = widths();
    std::vector<std::string> head;
    for (size_t column = 0; column < titles_.size(); column++)
        head.push_back(title(column));
    std::string text = line(head, all);
    for (const auto& row : rows_)
        text += line(row, all);
    return text;
}

} // namespace tiermemctl
