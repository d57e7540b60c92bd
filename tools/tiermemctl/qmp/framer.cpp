// SPDX-License-Identifier: GPL-2.0-or-later
// framer.cpp - cuts the byte stream of a monitor into JSON objects
#include "framer.h"

#include <fmt/format.h>

#include <cctype>
#include <utility>

#include "base/failure.h"

namespace tiermemctl {

std::vector<std::string> Framer::feed(std::string_view bytes) {
    for (const char c : bytes)
        take(c);
    return std::exchange(complete_, {});
}

void Framer::take(char c) {
    if (depth_ == 0)
        return between_objects(c);
    if (object_.size() >= MAX_OBJECT)
        throw Failure(fmt::format("sent a message of more than {} MiB, which no QEMU does",
                                  MAX_OBJECT >> 20));
    object_ += c;
    if (escaped_)
        escaped_ = false;
    else if (in_string_ && c == '\\')
        escaped_ = true;
    else if (c == '"')
        in_string_ = !in_string_;
    else if (!in_string_ && (c == '{' || c == '[') && ++depth_ > MAX_DEPTH)
        throw Failure(fmt::format(
            "sent a message that is nested more than {} deep, which no QEMU does", MAX_DEPTH));
    else if (!in_string_ && (c == '}' || c == ']') && --depth_ == 0)
        complete_.push_back(std::exchange(object_, {}));
}

void Framer::between_objects(char c) {
    if (c == '{') {
        object_ = c;
        depth_ = 1;
    } else if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
        const bool printable = std::isprint(static_cast<unsigned char>(c)) != 0;
        throw Failure(fmt::format(
            "does not speak QMP (sent {} where a JSON object begins): is this the socket of a QMP "
            "monitor (-qmp unix:PATH,server=on,wait=off)?",
            printable ? fmt::format("'{}'", c)
                      : fmt::format("byte 0x{:02x}", static_cast<unsigned char>(c))));
    }
}

} // namespace tiermemctl
