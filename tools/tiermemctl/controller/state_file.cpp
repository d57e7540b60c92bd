// SPDX-License-Identifier: GPL-2.0-or-later
// state_file.cpp - what the controller has to know of its machines after a restart
#include "state_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tiermemctl {

void save_state(const std::string& file, const std::map<std::string, Member>& members) {
    if (file.empty())
        return;
    json all = json::object();
    for (const auto& [where, member] : members) {
        if (!member.view)
            continue;
        json device = member.view->device.raw;
        device["stats"] = {{"values", json::array()}}; // large, and soon worth nothing
        all[where] = {{"incarnation", member.incarnation},
                      {"devices", json::array({std::move(device)})},
                      {"status", member.view->status},
                      {"in-flight", member.in_flight}};
    }
    const std::string fresh = file + ".new";
    std::ofstream out(fresh, std::ios::trunc);
    out << all.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
    out.close();
    std::error_code error;
    if (out)
        std::filesystem::rename(fresh, file, error);
    if (!out || error)
        throw Failure(fmt::format("cannot write the state file {}: {}", file,
                                  error ? error.message() : std::string(std::strerror(errno))));
}

std::map<std::string, json> load_state(const std::string& file) {
    std::map<std::string, json> saved;
    std::ifstream in(file);
    if (file.empty() || !in)
        return saved;
    std::stringstream text;
    text << in.rdbuf();
    const json all = json::parse(text.str(), nullptr, false);
    if (!all.is_object())
        throw Failure(fmt::format(
            "{} is no state file of tiermemctl; remove it, or name another one with --state",
            file));
    for (const auto& [where, one] : all.items())
        saved.emplace(where, one);
    return saved;
}

bool restore(Member& member, const json& saved, uint64_t now_ms) {
    try {
        View view{parse_devices(saved.at("devices")), saved.at("status").get<std::string>(), false};
        const auto in_flight = saved.at("in-flight").get<uint64_t>();
        member.incarnation = saved.at("incarnation").get<std::string>();
        member.take(view, now_ms);
        member.in_flight = in_flight;
        member.reachable = false;
        return true;
    } catch (const json::exception&) {
        return false;
    } catch (const Failure&) {
        return false;
    }
}

} // namespace tiermemctl
