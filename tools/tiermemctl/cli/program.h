// SPDX-License-Identifier: GPL-2.0-or-later
// program.h - the whole program: commands, their help, and the exit status
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "options.h"

namespace tiermemctl {

// The command line with all commands. `run` is set by parsing.
[[nodiscard]] std::unique_ptr<CLI::App> make_command_line(Run& run);

// Parses and runs; returns the exit status and lets nothing escape.
[[nodiscard]] int run_program(int argc, char** argv);

} // namespace tiermemctl
