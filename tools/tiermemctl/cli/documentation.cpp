// SPDX-License-Identifier: GPL-2.0-or-later
// documentation.cpp - man pages and completion, made from the command line's own definition
#include "documentation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/failure.h"
#include "help.h"

namespace tiermemctl {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
    // Those without a group are not for users.
    return app.get_subcommands(
        [](const CLI::App* command) { return !command->get_group().empty(); });
}

// nullptr if there is none.
const CLI::App* command_called(const CLI::App& app, const std::string& name) {
    for (const CLI::App* command : commands_of(app))
        if (command->get_name() == name)
            return command;
    return nullptr;
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
    return app.get_options([](const CLI::Option* option) { return option->nonpositional(); });
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& app) {
    return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

// "-s", "--socket"
std::vector<std::string> names_of(const CLI::Option& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.get_snames())
        names.push_back("-" + name);
    for (const std::string& name : option.get_lnames())
        names.push_back("--" + name);
    return names;
}

// Text for man: what begins a line with a dot or is a backslash would be a macro.
std::string roff(const std::string& text) {
    std::string escaped;
    for (size_t i = 0; i < text.size(); i++) {
        const bool line_begins = i == 0 || text[i - 1] == '\n';
        if (line_begins && (text[i] == '.' || text[i] == '\''))
            escaped += "\\&";
        escaped += text[i] == '\\' ? "\\e" : text[i] == '-' ? "\\-" : std::string(1, text[i]);
    }
    return escaped;
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    return text;
}

std::string man_options(const CLI::App& app) {
    std::string text = ".SH OPTIONS\n";
    for (const CLI::Option* option : positionals_of(app))
        text += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(option->get_name(true)),
                            roff(option->get_description()));
    for (const CLI::Option* option : options_of(app)) {
        std::string names;
        for (const std::string& name : names_of(*option))
            names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
        const std::string type = option->get_type_name().empty()
                                     ? ""
                                     : fmt::format(" \\fI{}\\fR", roff(option->get_type_name()));
        text += fmt::format(".TP\n{}{}\n{}\n", names, type, roff(option->get_description()));
    }
    return text;
}

std::string man_footer(const CLI::App& app, bool with_heading) {
    std::string text;
    for (const Paragraph& paragraph : paragraphs(app.get_footer())) {
        if (paragraph.heading.empty() == with_heading)
            continue;
        text += with_heading ? fmt::format(".SH {}\n.nf\n{}\n.fi\n", upper(roff(paragraph.heading)),
                                           roff(paragraph.text))
                             : fmt::format(".PP\n{}\n", roff(paragraph.text));
    }
    return text;
}

std::string man_commands(const CLI::App& app) {
    std::string text = ".SH COMMANDS\n";
    for (const CLI::App* command : commands_of(app))
        text += fmt::format(".TP\n\\fBtiermemctl\\-{}\\fR(1)\n{}\n", roff(command->get_name()),
                            roff(command->get_description()));
    return text;
}

std::string see_also(const CLI::App& app, const std::string& but) {
    std::string text = ".SH SEE ALSO\n";
    std::string names = but.empty() ? "" : ".BR tiermemctl (1)";
    for (const CLI::App* command : commands_of(app))
        if (command->get_name() != but)
            names += fmt::format("{}.BR tiermemctl\\-{} (1)", names.empty() ? "" : ",\n",
                                 roff(command->get_name()));
    return text + names + "\n";
}

// The function that is called for a word after the command's name.
constexpr const char* COMPLETION_HEAD = R"BASH(# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for tiermemctl; made by `tiermemctl documentation completion`
_tiermemctl_machines() {
    local i places=()
    for ((i = 2; i + 1 < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        # As typed: quotes are taken off, and nothing is evaluated.
        -s | --socket | -c | --connect) places+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]//[\'\"\\]/}") ;;
        esac
    done
    tiermemctl list --names "${places[@]}" 2>/dev/null
}

_tiermemctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} options='' machines=
    COMPREPLY=()
)BASH";

constexpr const char* COMPLETION_TAIL = R"BASH(    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    elif [[ $machines ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_tiermemctl_machines)" -- "$cur")
    fi
}
complete -F _tiermemctl tiermemctl
)BASH";

// What completes the value of an option; empty: nothing can.
std::string value_action(const CLI::Option& option) {
    std::string type = option.get_type_name();
    if (type == "FILE")
        return "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
    if (type.find('|') == std::string::npos)
        return "";
    std::replace(type.begin(), type.end(), '|', ' ');
    return fmt::format("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\")", type);
}

// Branches for the values of a command's options.
std::string value_cases(const CLI::App& command) {
    std::string text;
    for (const CLI::Option* option : options_of(command)) {
        if (option->get_type_name().empty())
            continue;
        std::string patterns;
        for (const std::string& name : names_of(*option))
            patterns +=
                fmt::format("{}'{} {}'", patterns.empty() ? "" : " | ", command.get_name(), name);
        const std::string action = value_action(*option);
        text += fmt::format("    {}) {}return ;;\n", patterns, action.empty() ? "" : action + "; ");
    }
    return text;
}

} // namespace

std::string man_page(const CLI::App& app, const std::string& command) {
    const bool whole = command.empty();
    const CLI::App* page = whole ? &app : command_called(app, command);
    if (page == nullptr)
        throw BadInput(fmt::format("there is no command {}", command));
    const std::string name = whole ? "tiermemctl" : "tiermemctl-" + command;
    std::string text = ".\\\" SPDX-License-Identifier: GPL-2.0-or-later\n"
                       ".\\\" Made by `tiermemctl documentation man`.\n";
    text += fmt::format(".TH {} 1 \"\" \"tiermemctl {}\" \"virtio-tiermem\"\n", upper(roff(name)),
                        TIERMEMCTL_VERSION);
    text += fmt::format(".SH NAME\n{} \\- {}\n", roff(name), roff(page->get_description()));
    text += fmt::format(".SH SYNOPSIS\n\\fBtiermemctl\\fR {}",
                        whole ? "\\fICOMMAND\\fR " : fmt::format("\\fB{}\\fR ", roff(command)));
    text += "[\\fIOPTION\\fR]...";
    for (const CLI::Option* option : positionals_of(*page))
        text += fmt::format(" {}\\fI{}\\fR{}...", option->get_required() ? "" : "[",
                            roff(option->get_name(true)), option->get_required() ? "" : "]");
    text += "\n" + man_footer(*page, false).insert(0, ".SH DESCRIPTION\n");
    text += whole ? man_commands(app) : man_options(*page);
    return text + man_footer(*page, true) + see_also(app, command);
}

std::string bash_completion(const CLI::App& app) {
    std::string names, values, options;
    for (const CLI::App* command : commands_of(app)) {
        names += (names.empty() ? "" : " ") + command->get_name();
        values += value_cases(*command);
        std::string words;
        for (const CLI::Option* option : options_of(*command))
            for (const std::string& name : names_of(*option))
                words += (words.empty() ? "" : " ") + name;
        options += fmt::format("    {}) options='{}'{} ;;\n", command->get_name(), words,
                               positionals_of(*command).empty() ? "" : "; machines=yes");
    }
    return fmt::format(
        "{}    if ((COMP_CWORD == 1)); then\n"
        "        mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- \"$cur\")\n"
        "        return\n"
        "    fi\n"
        "    case \"$command $prev\" in\n{}    esac\n"
        "    case $command in\n{}    esac\n{}",
        COMPLETION_HEAD, names, values, options, COMPLETION_TAIL);
}

} // namespace tiermemctl
