// SPDX-License-Identifier: GPL-2.0-or-later
// table.h - text for terminals
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tiermemctl {

// A text that comes from elsewhere (machine names, what QEMU says), fit for a terminal: control
// characters are shown as \xNN instead of being obeyed.
[[nodiscard]] std::string printable(std::string_view text);

// Columns are as wide as their widest cell, two spaces apart. Titles that begin with '>' stand for
// columns that are aligned to the right.
class Table {
public:
    explicit Table(std::vector<std::string> titles) : titles_(std::move(titles)) {}

    // As many cells as titles.
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    // Head and rows, a line each.
    [[nodiscard]] std::string text() const;

private:
    [[nodiscard]] std::vector<size_t> widths() const;
    [[nodiscard]] std::string line(const std::vector<std::string>& cells,
                                   const std::vector<size_t>& widths) const;
    [[nodiscard]] bool right(size_t column) const { return titles_[column].starts_with('>'); }
    [[nodiscard]] std::string title(size_t column) const {
        return titles_[column].substr(right(column) ? 1 : 0);
    }

    std::vector<std::string> titles_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace tiermemctl
