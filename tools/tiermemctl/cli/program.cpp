// SPDX-License-Identifier: GPL-2.0-or-later
// program.cpp - the whole program: commands, their help, and the exit status
#include "program.h"

#include <fmt/format.h>

#include "commands/commands.h"
#include "documentation.h"
#include "help.h"

namespace tiermemctl {
namespace {

// Hidden: for the build.
void add_documentation(CLI::App& app, Run& run) {
    auto words = std::make_shared<std::vector<std::string>>();
    CLI::App* command = app.add_subcommand(
        "documentation", "print a man page (man [COMMAND]) or the completion (completion)");
    command->group("");
    command->add_option("WHAT", *words)->required()->expected(1, 2);
    command->callback([words, &app, &run] {
        run = [words, &app] {
            if (words->front() != "man" && words->front() != "completion")
                throw BadInput(
                    "there are 'documentation man [COMMAND]' and 'documentation completion'");
            const std::string about = words->size() > 1 ? words->back() : "";
            fmt::print("{}", words->front() == "man" ? man_page(app, about) : bash_completion(app));
            return EXIT_DONE;
        };
    });
}

// The first word where a command should be that is none; empty: that is not what is wrong.
std::string unknown_command(const CLI::App& app) {
    const auto left = app.remaining();
    const bool word = !left.empty() && !left.front().starts_with('-');
    return word && app.get_subcommands().empty() ? left.front() : "";
}

} // namespace

std::unique_ptr<CLI::App> make_command_line(Run& run) {
    auto app = std::make_unique<CLI::App>(
        "control the tiered memory of virtual machines with a virtio-tiermem device", "tiermemctl");
    app->set_version_flag("--version", std::string("tiermemctl ") + TIERMEMCTL_VERSION);
    app->require_subcommand(1);
    for (auto* add : {add_list, add_show, add_set_quota, add_set_qos, add_top, add_watch,
                      add_balance, add_export, add_documentation})
        add(*app, run);
    app->footer(
        "Machines are QEMU processes with a QMP monitor on a unix socket (--socket), and domains "
        "of libvirt (--connect). "
        "Each guest says how hot its memory is, and obeys quotas for the fast and the slow tier; "
        "tiermemctl shows and "
        "sets them, and keeps sharing a host's fast memory out between machines (balance).\n\n"
        "Sizes have the units K, M, G and T, powers of 1024. Durations have the units ms, s, m and "
        "h.\n\n"
        "Environment:\n"
        "  TIERMEMCTL_SOCKETS  QMP sockets, separated by ':', where --socket and --connect are not "
        "given\n"
        "  TIERMEMCTL_CONNECT  libvirt URIs, separated by spaces, likewise\n\n"
        "Files:\n"
        "  /run/virtio-tiermem/*.qmp  sockets that are looked for when nothing else is said\n\n"
        "Exit status:\n"
        "  0  all was done\n"
        "  1  a machine could not be reached, or refused; what belonged together was not "
        "half-applied\n"
        "  2  the command line or the policy file is wrong; nothing was tried\n");
    dress_up(*app);
    return app;
}

int run_program(int argc, char** argv) {
    Run run;
    const auto app = make_command_line(run);
    try {
        app->parse(argc, argv);
        return run();
    } catch (const CLI::ParseError& error) {
        if (const std::string word = unknown_command(*app); !word.empty()) {
            complain(fmt::format("'{}' is no command; 'tiermemctl --help' lists them", word));
            return EXIT_USAGE;
        }
        return app->exit(error) == 0 ? EXIT_DONE : EXIT_USAGE;
    } catch (const Failure& failure) {
        complain(failure.what());
        return failure.status();
    } catch (const std::exception& error) {
        complain(fmt::format("internal error: {}", error.what()));
        return EXIT_PARTLY;
    }
}

} // namespace tiermemctl
