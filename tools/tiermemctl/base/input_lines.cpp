// SPDX-License-Identifier: GPL-2.0-or-later
// input_lines.cpp - lines on standard input, as they come
#include "input_lines.h"

#include <glib-unix.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace tiermemctl {

InputLines::InputLines(std::function<void()> line, std::function<void()> end)
    : line_(std::move(line)), end_(std::move(end)) {
    auto readable = [](gint, GIOCondition, gpointer self) -> gboolean {
        auto* lines = static_cast<InputLines*>(self);
        if (lines->read_some())
            return G_SOURCE_CONTINUE;
        lines->source_ = 0;
        const auto end = std::move(lines->end_); // it may destroy the lines
        end();
        return G_SOURCE_REMOVE;
    };
    source_ = g_unix_fd_add(STDIN_FILENO, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP | G_IO_ERR),
                            readable, this);
}

InputLines::~InputLines() {
    if (source_ != 0)
        g_source_remove(source_);
}

bool InputLines::read_some() {
    std::array<char, 4096> piece{};
    const ssize_t length = read(STDIN_FILENO, piece.data(), piece.size());
    if (length <= 0)
        return length < 0 && (errno == EINTR || errno == EAGAIN);
    for (const char character : std::string_view(piece.data(), static_cast<size_t>(length)))
        if (character == '\n')
            line_();
    return true;
}

} // namespace tiermemctl
