// SPDX-License-Identifier: GPL-2.0-or-later
// help.cpp - how help is written on a terminal
#include "help.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace tiermemctl {
namespace {

constexpr size_t NAMES = 28; // columns of the options' names

size_t terminal_width() {
    winsize size{};
    const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return std::clamp<size_t>(known ? size.ws_col : 80, 60, 100);
}

class Formatter : public CLI::Formatter {
public:
    Formatter() { column_width(NAMES); }

    [[nodiscard]] std::string make_option_desc(const CLI::Option* option) const override {
        return filled(option->get_description(), terminal_width() - NAMES);
    }
    [[nodiscard]] std::string make_option_opts(const CLI::Option* option) const override {
        if (option->get_positional())
            return option->get_expected_max() > 1 ? "..." : "";
        return option->get_type_name().empty() ? "" : " " + option->get_type_name();
    }
    [[nodiscard]] std::string make_footer(const CLI::App* app) const override {
        std::string text = "\n";
        for (const Paragraph& paragraph : paragraphs(app->get_footer()))
            text += paragraph.heading.empty() ? filled(paragraph.text, terminal_width()) + "\n\n"
                                              : paragraph.heading + ":\n" + paragraph.text + "\n\n";
        text.pop_back();
        return text;
    }
};

std::string complaint(const CLI::App* app, const CLI::Error& error) {
    const auto commands = app->get_subcommands();
    const std::string command = commands.empty() ? "" : " " + commands.front()->get_name();
    return fmt::format("tiermemctl: {}\ntiermemctl: 'tiermemctl{} --help' says what is allowed\n",
                       error.what(), command);
}

} // namespace

std::vector<Paragraph> paragraphs(const std::string& footer) {
    std::vector<Paragraph> found;
    std::istringstream lines(footer);
    std::string line;
    bool begun = false;
    while (std::getline(lines, line)) {
        if (begun && !line.empty())
            found.back().text += (found.back().text.empty() ? "" : "\n") + line;
        else if (line.ends_with(':'))
            found.push_back({line.substr(0, line.size() - 1), ""});
        else if (!line.empty())
            found.push_back({"", line});
        begun = !line.empty();
    }
    return found;
}

std::string filled(const std::string& text, size_t width) {
    std::istringstream words(text);
    std::string word, all;
    size_t column = 0;
    while (words >> word) {
        const bool fits = column == 0 || column + 1 + word.size() <= width;
        all += column == 0 ? "" : fits ? " " : "\n";
        column = (fits && column > 0 ? column + 1 : 0) + word.size();
        all += word;
    }
    return all;
}

void dress_up(CLI::App& app) {
    const auto formatter = std::make_shared<Formatter>();
    app.formatter(formatter);
    for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
        command->formatter(formatter);
    app.failure_message(complaint);
}

} // namespace tiermemctl
