// SPDX-License-Identifier: GPL-2.0-or-later
// reply.h - the forms of QMP messages, whatever carries them
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/failure.h"

namespace tiermemctl {

using nlohmann::json;
using Reply = std::function<void(const Outcome<json>&)>; // what a command returned

// The JSON object that a text is; throws Failure if it is none.
[[nodiscard]] json parse_object(std::string_view text);

// A command to send; no arguments where they are null.
[[nodiscard]] json command_message(const std::string& command, const json& arguments);

// The result in an answer to a command, or QEMU's refusal with a hint where its class tells more.
[[nodiscard]] Outcome<json> result_of(const std::string& command, const json& answer);

} // namespace tiermemctl
