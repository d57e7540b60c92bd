// SPDX-License-Identifier: GPL-2.0-or-later
// help.h - how help is written on a terminal
//
// A command's footer is made of paragraphs with an empty line between them. They are filled, but
// for those that have a heading (a first line that ends with a colon): their other lines stay as
// they are. The man pages and the completion are made from the same options and footers
// (documentation.h).
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tiermemctl {

struct Paragraph {
    std::string heading; // empty: running text
    std::string text;    // a line, or lines as they are to stand
};

[[nodiscard]] std::vector<Paragraph> paragraphs(const std::string& footer);

// The text in lines of at most `width`, broken at spaces.
[[nodiscard]] std::string filled(const std::string& text, size_t width);

// Help that fits into the terminal, and errors that say which help to read.
void dress_up(CLI::App& app);

} // namespace tiermemctl
