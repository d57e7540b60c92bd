// SPDX-License-Identifier: GPL-2.0-or-later
// What cannot be is refused with the name of the setting and what is allowed.
#include <criterion/criterion.h>
#include <stdexcept>
#include <string>

#include "settings.hpp"

using namespace tierload;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

// The words of the refusal; empty when nothing is wrong.
std::string refusal(void (*change)(Settings&)) {
    Settings settings;
    settings.workload = "gups";
    change(settings);
    try {
        check(settings);
        return "";
    } catch (const std::invalid_argument& problem) {
        return problem.what();
    }
}

void expect(void (*change)(Settings&), const char* words) {
    const std::string text = refusal(change);
    cr_assert(text.find(words) != text.npos, "'%s' does not say '%s'", text.c_str(), words);
}

} // namespace

Test(settings, defaults_are_allowed) {
    cr_assert_eq(refusal([](Settings&) {}), "");
}

Test(settings, limits_are_allowed) {
    cr_assert_eq(refusal([](Settings& s) { s.size = 8 * mib, s.hot = 2 * mib; }), "");
    cr_assert_eq(refusal([](Settings& s) { s.size = 16384 * mib, s.hot = 4096; }), "");
}

Test(settings, an_unknown_workload_is_refused_with_those_that_there_are) {
    expect([](Settings& s) { s.workload = "gubs"; }, "'gubs' is unknown; there are: gups, shift");
}

Test(settings, sizes_that_cannot_be_are_refused) {
    expect([](Settings& s) { s.size = 6 * mib; }, "--size");
    expect([](Settings& s) { s.size = 64 * mib + 4096; }, "--size");
    expect([](Settings& s) { s.size = 16386 * mib; }, "--size");
    expect([](Settings& s) { s.hot = 0; }, "--hot");
    expect([](Settings& s) { s.hot = 4097; }, "--hot");
    expect([](Settings& s) { s.hot = s.size / 4 + 4096; }, "--hot");
}

Test(settings, other_limits) {
    const auto nine = [](Settings& s) { s.size = 64 * mib, s.hot = mib, s.processes = 9; };
    cr_assert_eq(refusal(nine), "");
    expect(
        [](Settings& s) {
            s.workload = "processes", s.size = 64 * mib, s.hot = mib, s.processes = 9;
        },
        "--processes");
    expect([](Settings& s) { s.interval = 31; }, "--interval");
    expect([](Settings& s) { s.slow_node = 0; }, "--slow-node");
}

Test(settings, more_than_the_machine_has_is_refused) {
    Settings settings;
    settings.workload = "gups";
    settings.size = ~std::size_t{0};
    bool refused = false;
    try {
        check_fits(settings);
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    cr_assert(refused);
}
