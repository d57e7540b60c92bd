// SPDX-License-Identifier: GPL-2.0-or-later
// finder.cpp - finds the machines: QMP sockets by path or pattern, and libvirt's domains
#include "finder.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/glib.h"

namespace tiermemctl {
namespace {

constexpr size_t MOST_NAMES_SHOWN = 10; // in an error

bool is_pattern(const std::string& text) {
    return text.find_first_of("*?[") != std::string::npos;
}

std::vector<std::string> matches(const std::string& pattern) {
    glob_t found{};
    std::vector<std::string> paths;
    if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
        paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    globfree(&found);
    return paths;
}

// NAME=PATH, where NAME has no slash; the name is empty if there is none.
std::pair<std::string, std::string> name_and_path(const std::string& text) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || text.find('/') < equals)
        return {"", text};
    return {text.substr(0, equals), text.substr(equals + 1)};
}

// The part of the path that the pattern leaves open, if it is one only; else the file's name.
std::string default_name(const std::string& pattern, const std::string& path) {
    const std::filesystem::path parts(pattern), found(path);
    std::filesystem::path open;
    size_t count = 0;
    for (auto part = parts.begin(), same = found.begin();
         part != parts.end() && same != found.end(); ++part, ++same)
        if (is_pattern(part->string())) {
            open = *same;
            count++;
        }
    const bool folder = count == 1 && open != found.filename();
    const std::string name = folder ? open.string() : found.stem().string();
    return name.empty() ? path : name;
}

} // namespace

Finder::Finder(Places places) : places_(std::move(places)) {
    for (const std::string& uri : places_.hosts)
        hosts_.push_back(std::make_shared<LibvirtHost>(uri));
}

void Finder::scan(std::chrono::milliseconds limit, std::function<void()> done) {
    found_.clear();
    new_problems_.clear();
    find_sockets();
    auto left = std::make_shared<size_t>(hosts_.size() + 1);
    auto one_done = [this, left, done = std::move(done)] {
        if (--*left > 0)
            return;
        finish();
        done();
    };
    for (const LibvirtHostPtr& host : hosts_)
        host->domains(
            limit, [this, host, one_done](const Outcome<std::vector<LibvirtHost::Domain>>& found) {
                take_domains(host, found);
                one_done();
            });
    on_main_loop(one_done);
}

void Finder::find_sockets() {
    for (const std::string& text : places_.sockets) {
        const auto [name, path] = name_and_path(text);
        if (!is_pattern(path) || std::filesystem::exists(path)) {
            add_socket(name.empty() ? default_name("", path) : name, path);
            continue;
        }
        const auto paths = matches(path);
        if (paths.empty())
            new_problems_.emplace_back(fmt::format("no socket matches {}", path));
        for (const std::string& one : paths)
            add_socket(default_name(path, one), one);
    }
}

void Finder::add_socket(const std::string& name, const std::string& given) {
    const std::string path = std::filesystem::absolute(given).lexically_normal().string();
    const auto before = known_.find(path);
    const MachinePtr machine =
        before != known_.end() ? before->second : std::make_shared<SocketMachine>(name, path);
    machine->rename(name);
    found_.emplace(path, machine);
}

void Finder::take_domains(const LibvirtHostPtr& host,
                          const Outcome<std::vector<LibvirtHost::Domain>>& found) {
    const std::string prefix = host->uri() + " ";
    if (!found) {
        new_problems_.push_back(found.failure());
        // They run on without libvirt.
        for (const auto& [key, machine] : known_)
            if (key.starts_with(prefix))
                found_.emplace(key, machine);
        return;
    }
    for (const LibvirtHost::Domain& domain : found.value()) {
        const std::string key = fmt::format("{}{} {}", prefix, domain.uuid, domain.id);
        const auto before = known_.find(key);
        const MachinePtr machine =
            before != known_.end() ? before->second : std::make_shared<DomainMachine>(host, domain);
        machine->rename(domain.name);
        found_.emplace(key, machine);
    }
}

void Finder::finish() {
    std::map<std::string, std::vector<std::pair<std::string, MachinePtr>>> by_name;
    for (const auto& entry : found_)
        by_name[entry.second->name()].push_back(entry);
    for (const auto& [name, alike] : by_name)
        for (size_t i = 0; alike.size() > 1 && i < alike.size(); i++) {
            const std::string& key = alike[i].first;
            alike[i].second->rename(key.starts_with('/')
                                        ? key
                                        : fmt::format("{}/{}", key.substr(0, key.find(' ')), name));
        }
    machines_.clear();
    for (const auto& [key, machine] : found_)
        machines_.push_back(machine);
    std::sort(machines_.begin(), machines_.end(),
              [](const auto& a, const auto& b) { return a->name() < b->name(); });
    known_ = found_;
    problems_ = new_problems_;
}

std::vector<MachinePtr> Finder::chosen(const std::vector<std::string>& words) const {
    if (words.empty())
        return machines_;
    std::vector<MachinePtr> chosen;
    for (const std::string& word : words) {
        bool any = false;
        for (const MachinePtr& machine : machines_)
            if (machine->name() == word || fnmatch(word.c_str(), machine->name().c_str(), 0) == 0) {
                any = true;
                if (std::find(chosen.begin(), chosen.end(), machine) == chosen.end())
                    chosen.push_back(machine);
            }
        if (!any)
            throw BadInput(fmt::format("no machine is called {}; {}", word, names()));
    }
    return chosen;
}

std::string Finder::names() const {
    if (machines_.empty())
        return "none was found at all: name their QMP sockets with --socket, or libvirt's hosts "
               "with --connect";
    std::string text = "there are ";
    for (size_t i = 0; i < machines_.size() && i < MOST_NAMES_SHOWN; i++)
        text += (i > 0 ? ", " : "") + machines_[i]->name();
    return machines_.size() > MOST_NAMES_SHOWN
               ? fmt::format("{} and {} more", text, machines_.size() - MOST_NAMES_SHOWN)
               : text;
}

} // namespace tiermemctl
