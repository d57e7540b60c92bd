// SPDX-License-Identifier: GPL-2.0-or-later
// finder.h - finds the machines: QMP sockets by path or pattern, and libvirt's domains
//
// Names. A socket that is given as NAME=PATH has that name. Otherwise it is that of the folder
// which the pattern leaves open ("/run/vm/*/qmp.sock" -> "web1"), or the file's name without its
// ending. A domain has its own. Where two would be alike, sockets are named by path and domains by
// URI and name.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "domain_machine.h"
#include "socket_machine.h"

namespace tiermemctl {

struct Places {
    std::vector<std::string> sockets; // PATH, pattern, or NAME=PATH
    std::vector<std::string> hosts;   // libvirt URIs
};

class Finder {
public:
    explicit Finder(Places places);

    // Looks again. A machine that is still there stays the same object. `done` comes from the main
    // loop, after the limit at the latest.
    void scan(std::chrono::milliseconds limit, std::function<void()> done);

    // As of the last scan, ordered by name.
    [[nodiscard]] const std::vector<MachinePtr>& machines() const { return machines_; }
    // What could not be looked at: hosts, patterns that match nothing.
    [[nodiscard]] const std::vector<Failure>& problems() const { return problems_; }

    // Those whose name one of the words is, or matches as a pattern; all of them for no words.
    // Throws BadInput for a word that no machine matches.
    [[nodiscard]] std::vector<MachinePtr> chosen(const std::vector<std::string>& words) const;

private:
    void find_sockets();
    void add_socket(const std::string& name, const std::string& given);
    void take_domains(const LibvirtHostPtr& host,
                      const Outcome<std::vector<LibvirtHost::Domain>>& found);
    void finish();
    [[nodiscard]] std::string names() const;

    Places places_;
    std::vector<LibvirtHostPtr> hosts_;
    std::map<std::string, MachinePtr> known_,
        found_; // by path, or by URI, UUID and number of the run
    std::vector<MachinePtr> machines_;
    std::vector<Failure> problems_, new_problems_;
};

} // namespace tiermemctl
