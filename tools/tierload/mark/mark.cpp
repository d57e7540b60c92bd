// SPDX-License-Identifier: GPL-2.0-or-later
// mark/mark.cpp - tierload-mark: says as tierload does where a program is that is not ours. One JSON
// line with the time, the operations so far and the page moves so far.
//
//   tierload-mark start; some-program; tierload-mark end --operations 1000
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "report.hpp"

int main(int argc, char** argv) {
    constexpr int refused = 2;
    std::string name;
    std::uint64_t operations = 0;
    std::vector<std::string> watch;
    CLI::App app{"tierload-mark - a line as tierload's, for programs that have none of their own"};
    app.add_option("name", name, "of the mark, such as start, progress, end")->required();
    // Some versions of CLI11 take -1 for 2^64 - 1, and their own check names a limit of 300 digits.
    const auto not_negative = [](const std::string& text) {
        return text.starts_with('-') ? "a number from 0 on is allowed, not " + text : std::string();
    };
    app.add_option("--operations", operations, "done so far")
        ->check(not_negative)
        ->capture_default_str();
    app.add_option("--watch", watch, "file with a number that is shown");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : refused;
    }
    tierload::Report(true, watch).mark(name, operations);
    return 0;
}
