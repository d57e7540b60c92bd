// SPDX-License-Identifier: GPL-2.0-or-later
// documentation.h - man pages and completion, made from the command line's own definition
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tiermemctl {

// A page in the man(7) macros: of a command, or of the whole for an empty name. Throws BadInput for
// a name that is no command.
[[nodiscard]] std::string man_page(const CLI::App& app, const std::string& command);

// A bash script that completes commands, options, values of options, and names of machines.
[[nodiscard]] std::string bash_completion(const CLI::App& app);

} // namespace tiermemctl
