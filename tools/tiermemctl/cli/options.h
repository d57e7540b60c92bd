// SPDX-License-Identifier: GPL-2.0-or-later
// options.h - what the commands' options have in common
//
// A command is a function add_NAME(app, run) that adds a subcommand with its options and help, and
// sets `run` when it was given. Names of values (type_name) tell the completion what to offer:
// MACHINE, FILE, or a choice written as a|b|c.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.h"
#include "base/quantity.h"
#include "machines/finder.h"

namespace tiermemctl {

using Run = std::function<ExitStatus()>;

// Where machines are looked for and how long each is waited for.
struct Reach {
    std::vector<std::string> sockets;
    std::vector<std::string> hosts;
    std::optional<std::chrono::milliseconds> timeout;

    // --socket, --connect and --timeout.
    void add_to(CLI::App& command);
    [[nodiscard]] std::chrono::milliseconds limit() const;
    // From the options, else from the environment, else the standard folder.
    [[nodiscard]] Places places() const;
};

// An option whose text is read by `parse`, which throws BadInput for what is none.
template<typename T, typename Parse>
CLI::Option* add_parsed(CLI::App& command, const std::string& names, std::optional<T>& into,
                        Parse parse, const std::string& type, const std::string& help) {
    auto complaint = [parse](const std::string& text) -> std::string {
        try {
            static_cast<void>(parse(text));
            return "";
        } catch (const BadInput& bad) {
            return bad.what();
        }
    };
    auto take = [&into, parse](const std::string& text) { into = static_cast<T>(parse(text)); };
    return command.add_option_function<std::string>(names, take, help)
        ->type_name(type)
        ->check(complaint);
}

CLI::Option* add_size(CLI::App& command, const std::string& names, std::optional<uint64_t>& into,
                      const std::string& help);
CLI::Option* add_duration(CLI::App& command, const std::string& names,
                          std::optional<std::chrono::milliseconds>& into, const std::string& help);
CLI::Option* add_json(CLI::App& command, bool& into, const std::string& what);

// The machines that the words choose (all for none), after a scan. Reports on stderr what could not
// be looked at; throws if no machine is found at all.
[[nodiscard]] std::vector<MachinePtr> find_machines(Finder& finder,
                                                    const std::vector<std::string>& words,
                                                    std::chrono::milliseconds limit);

// "tiermemctl: TEXT" on stderr, fit for a terminal.
void complain(const std::string& text);

} // namespace tiermemctl
