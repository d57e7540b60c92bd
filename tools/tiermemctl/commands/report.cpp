// SPDX-License-Identifier: GPL-2.0-or-later
// report.cpp - how commands print what they have found out
#include "report.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/options.h"

namespace tiermemctl {
namespace {

constexpr auto REPLACE = json::error_handler_t::replace;

} // namespace

void print_json(const json& value) {
    fmt::print("{}\n", value.dump(2, ' ', false, REPLACE));
}

void print_json_line(const json& value) {
    fmt::print("{}\n", value.dump(-1, ' ', false, REPLACE));
    std::fflush(stdout);
}

json devices_as_json(const std::vector<MachinePtr>& machines,
                     const std::vector<Outcome<Device>>& devices) {
    json all = json::array();
    for (size_t i = 0; i < machines.size(); i++) {
        json one = {{"machine", machines[i]->name()}, {"where", machines[i]->where()}};
        if (devices[i])
            one["device"] = devices[i].value().raw;
        else
            one["error"] = devices[i].failure().what();
        all.push_back(std::move(one));
    }
    return all;
}

ExitStatus complain_of(const std::vector<Outcome<Device>>& devices) {
    ExitStatus status = EXIT_DONE;
    for (const auto& device : devices)
        if (!device) {
            complain(device.failure().what());
            status = EXIT_PARTLY;
        }
    return status;
}

} // namespace tiermemctl
