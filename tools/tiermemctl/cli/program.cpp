// SPDX-License-Identifier: GPL-2.0-or-later
// program.cpp - the whole program: commands, their help, and the exit status
#include "program.h"

#include <fmt/format.h>

#include "commands/commands.h"

namespace tiermemctl {

std::unique_ptr<CLI::App> make_command_line(Run& run) {
    auto app = std::make_unique<CLI::App>(
        "controls the tiered memory of virtual machines with a virtio-tiermem device",
        "tiermemctl");
    app->set_version_flag("--version", std::string("tiermemctl ") + TIERMEMCTL_VERSION);
    app->require_subcommand(1);
    for (auto* add : {add_list, add_show, add_set_quota, add_set_qos})
        add(*app, run);
    app->footer("'tiermemctl COMMAND --help' explains a command. Exit status: 0 all was done; 1 a "
                "machine could not be "
                "reached or refused; 2 the command line or the policy file is wrong and nothing "
                "was tried.\n");
    return app;
}

int run_program(int argc, char** argv) {
    Run run;
    const auto app = make_command_line(run);
    try {
        app->parse(argc, argv);
        return run();
    } catch (const CLI::ParseError& error) {
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
