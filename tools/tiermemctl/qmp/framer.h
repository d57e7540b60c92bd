// SPDX-License-Identifier: GPL-2.0-or-later
// framer.h - cuts the byte stream of a monitor into JSON objects
//
// QMP sends one object after the other (docs/interop/qmp-spec in QEMU's tree), on a line each, or
// on several where the monitor was made with pretty=on; so objects are found by their braces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tiermemctl {

class Framer {
public:
    // More than any reply of ours takes: 512 statistics are below 64 KiB.
    static constexpr size_t MAX_OBJECT = size_t{4} << 20;
    static constexpr size_t MAX_DEPTH = 64;

    // Takes bytes as they come and returns the objects that they complete. Throws Failure for what
    // cannot be QMP: anything but white space between objects, or an object that is too large or
    // too deep. Not to be used after that.
    std::vector<std::string> feed(std::string_view bytes);

private:
    void take(char c);
    void between_objects(char c);

    std::string object_;
    std::vector<std::string> complete_;
    size_t depth_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
};

} // namespace tiermemctl
