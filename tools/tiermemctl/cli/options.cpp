// SPDX-License-Identifier: GPL-2.0-or-later
// options.cpp - what the commands' options have in common
#include "options.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "base/glib.h"
#include "base/table.h"

namespace tiermemctl {
namespace {

constexpr const char* STANDARD_PLACE = "/run/virtio-tiermem/*.qmp";
constexpr std::chrono::milliseconds STANDARD_LIMIT{5000};
constexpr const char* GROUP = "Machines";

// The parts of an environment variable between colons; URIs have colons too, so theirs are told
// apart by spaces.
std::vector<std::string> from_environment(const char* name, char separator) {
    const char* value = std::getenv(name);
    std::vector<std::string> parts;
    std::string part;
    for (const char* at = value; at != nullptr && *at != '\0'; at++) {
        if (*at != separator)
            part += *at;
        else if (!part.empty())
            parts.push_back(std::exchange(part, {}));
    }
    if (!part.empty())
        parts.push_back(part);
    return parts;
}

} // namespace

void Reach::add_to(CLI::App& command) {
    command
        .add_option("-s,--socket", sockets,
                    "QMP socket of a machine; also a pattern, or NAME=PATH. May be repeated. "
                    "Default: TIERMEMCTL_SOCKETS "
                    "(separated by ':'), else /run/virtio-tiermem/*.qmp")
        ->type_name("FILE")
        ->expected(1)
        ->take_all()
        ->group(GROUP);
    command
        .add_option("-c,--connect", hosts,
                    "libvirt URI: all running domains there, for example qemu:///system or "
                    "qemu+ssh://host/system. May be "
                    "repeated. Default: TIERMEMCTL_CONNECT (separated by spaces)")
        ->type_name("URI")
        ->expected(1)
        ->take_all()
        ->group(GROUP);
    add_duration(command, "-t,--timeout", timeout, "how long to wait for each answer (default: 5s)")
        ->group(GROUP);
}

std::chrono::milliseconds Reach::limit() const {
    return timeout.value_or(STANDARD_LIMIT);
}

Places Reach::places() const {
    Places places{sockets, hosts};
    if (places.sockets.empty() && places.hosts.empty())
        places = {from_environment("TIERMEMCTL_SOCKETS", ':'),
                  from_environment("TIERMEMCTL_CONNECT", ' ')};
    if (places.sockets.empty() && places.hosts.empty())
        places.sockets.emplace_back(STANDARD_PLACE);
    return places;
}

CLI::Option* add_size(CLI::App& command, const std::string& names, std::optional<uint64_t>& into,
                      const std::string& help) {
    return add_parsed(command, names, into, parse_size, "SIZE", help);
}

CLI::Option* add_duration(CLI::App& command, const std::string& names,
                          std::optional<std::chrono::milliseconds>& into, const std::string& help) {
    return add_parsed(command, names, into, parse_duration, "DURATION", help);
}

CLI::Option* add_json(CLI::App& command, bool& into, const std::string& what) {
    return command.add_flag("--json", into, what);
}

std::vector<MachinePtr> find_machines(Finder& finder, const std::vector<std::string>& words,
                                      std::chrono::milliseconds limit) {
    bool done = false;
    finder.scan(limit, [&done] { done = true; });
    run_until([&done] { return done; });
    for (const Failure& problem : finder.problems())
        complain(problem.what());
    if (finder.machines().empty())
        throw Failure("no machine was found: name QMP sockets with --socket, or libvirt's hosts "
                      "with --connect");
    return finder.chosen(words);
}

void complain(const std::string& text) {
    fmt::print(stderr, "tiermemctl: {}\n", printable(text));
}

} // namespace tiermemctl
