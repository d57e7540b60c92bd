// SPDX-License-Identifier: GPL-2.0-or-later
// state_file.h - what the controller has to know of its machines after a restart
//
// A JSON object: where a machine is -> {"incarnation", "view", "in-flight"}. It is replaced as a
// whole, so that it is never half-written.
#pragma once

#include <map>
#include <string>

#include "member.h"

namespace tiermemctl {

// Does nothing without a name; throws Failure if the file cannot be written.
void save_state(const std::string& file, const std::map<std::string, Member>& members);

// Empty if there is no such file; throws Failure for one that is not ours.
[[nodiscard]] std::map<std::string, json> load_state(const std::string& file);

// Gives a member that has not answered what was saved of it. False if that is nothing usable.
bool restore(Member& member, const json& saved, uint64_t now_ms);

} // namespace tiermemctl
