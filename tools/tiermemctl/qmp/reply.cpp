// SPDX-License-Identifier: GPL-2.0-or-later
// reply.cpp - the forms of QMP messages, whatever carries them
#include "reply.h"

#include <fmt/format.h>

namespace tiermemctl {
namespace {

std::string text_of(const json& object, const char* key, const char* otherwise) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

} // namespace

json parse_object(std::string_view text) {
    json object = json::parse(text, nullptr, false);
    if (!object.is_object())
        throw Failure("sent what is not a JSON object; this is no QMP monitor, or it is broken");
    return object;
}

json command_message(const std::string& command, const json& arguments) {
    json message = {{"execute", command}};
    if (!arguments.is_null())
        message["arguments"] = arguments;
    return message;
}

Outcome<json> result_of(const std::string& command, const json& answer) {
    const auto result = answer.find("return");
    if (result != answer.end())
        return {*result};
    const auto error = answer.find("error");
    if (error == answer.end() || !error->is_object())
        return Failure(fmt::format(
            "answered {} with neither a result nor an error; this is no QMP monitor", command));
    const std::string description = text_of(*error, "desc", "no reason given");
    if (text_of(*error, "class", "") == "CommandNotFound")
        return Failure(fmt::format(
            "this QEMU does not know {}: it was built without the virtio-tiermem device", command));
    return Failure(fmt::format("QEMU refused {}: {}", command, description));
}

} // namespace tiermemctl
