// SPDX-License-Identifier: GPL-2.0-or-later
// input_lines.h - lines on standard input, as they come
#pragma once

#include <glib.h>

#include <functional>

namespace tiermemctl {

// Calls `line` for each line that ends, whatever it says, and `end` once when no more can come;
// both from the main loop.
class InputLines {
public:
    InputLines(std::function<void()> line, std::function<void()> end);
    ~InputLines();
    InputLines(const InputLines&) = delete;
    InputLines& operator=(const InputLines&) = delete;

private:
    bool read_some(); // false: it has ended

    std::function<void()> line_, end_;
    guint source_ = 0;
};

} // namespace tiermemctl
