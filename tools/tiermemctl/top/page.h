// SPDX-License-Identifier: GPL-2.0-or-later
// page.h - the rows of `top` as the lines of a terminal of some size
#pragma once

#include <string>
#include <vector>

#include "rows.h"

namespace tiermemctl {

struct Page {
    std::string summary;            // sums over all machines
    std::string head;               // the titles of the columns
    std::vector<std::string> lines; // one a machine
    std::string foot;               // what is wrong, or which keys there are
};

// No line is longer than `width`; what is of less use is left out where the width is small. All
// machines are in it, whatever the height of the terminal.
[[nodiscard]] Page make_page(const std::vector<Row>& rows, const std::string& time, size_t width);

} // namespace tiermemctl
