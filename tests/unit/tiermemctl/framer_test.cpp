// SPDX-License-Identifier: GPL-2.0-or-later
// Cutting a monitor's bytes into objects, however they come.
#include "qmp/framer.h"

#include <criterion/criterion.h>

#include <random>
#include <string>

#include "base/failure.h"

using namespace tiermemctl;

namespace {

bool refuses(const std::string& bytes) {
    try {
        Framer().feed(bytes);
        return false;
    } catch (const Failure&) {
        return true;
    }
}

} // namespace

Test(framer, objects_come_out_however_the_bytes_come_in) {
    const std::vector<std::string> objects = {R"({})", R"({"a": [1, {"b": "}{]["}], "c": "\"\\"})",
                                              "{\n  \"a\": {\n  }\n}"};
    const std::string stream = objects[0] + "\r\n" + objects[1] + "  " + objects[2] + "\n";
    std::mt19937 random(1);
    for (int round = 0; round < 200; round++) {
        Framer framer;
        std::vector<std::string> found;
        for (size_t at = 0; at < stream.size();) {
            const size_t length = 1 + random() % 9;
            for (auto& object : framer.feed(std::string_view(stream).substr(at, length)))
                found.push_back(std::move(object));
            at += length;
        }
        cr_assert(found == objects);
    }
}

Test(framer, what_is_no_object_is_refused) {
    for (const char* bytes : {"SSH-2.0", "[1]", "{} x", "\x80", "}", "null"})
        cr_assert(refuses(bytes), "%s", bytes);
    cr_assert(refuses(std::string(1, '\0')));
}

Test(framer, depth_and_length_are_bounded) {
    const std::string deepest = std::string(Framer::MAX_DEPTH, '[');
    cr_assert_not(refuses("{" + deepest.substr(1)));
    cr_assert(refuses("{" + deepest));
    const std::string frame = R"({"a":""})";
    const std::string longest =
        R"({"a":")" + std::string(Framer::MAX_OBJECT - frame.size(), 'x') + R"("})";
    cr_assert_eq(Framer().feed(longest).size(), 1);
    cr_assert(refuses(R"({"a":"x)" + longest.substr(6)));
}

Test(framer, a_long_object_in_small_pieces_is_bounded_too) {
    Framer framer;
    const std::string piece(4096, ' ');
    size_t fed = framer.feed("{").size();
    try {
        for (; fed <= 2 * Framer::MAX_OBJECT; fed += piece.size())
            framer.feed(piece);
    } catch (const Failure&) {
        cr_assert_geq(fed, Framer::MAX_OBJECT - 4096);
        return;
    }
    cr_assert_fail("fed %zu bytes", fed);
}
