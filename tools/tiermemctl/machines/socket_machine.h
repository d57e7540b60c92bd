// SPDX-License-Identifier: GPL-2.0-or-later
// socket_machine.h - a machine whose QMP monitor is a unix socket
//
// QEMU serves one client of a monitor at a time. So a connection is held only while commands wait
// for their answers, and several programs can share a monitor; watch() is the exception.
#pragma once

#include <optional>

#include "machine.h"
#include "qmp/session.h"

namespace tiermemctl {

class SocketMachine : public Machine, public std::enable_shared_from_this<SocketMachine> {
public:
    SocketMachine(std::string name, const std::string& path)
        : Machine(std::move(name), "socket " + path), path_(path) {}
    ~SocketMachine() override;

    [[nodiscard]] const std::string& path() const { return path_; }
    void execute(const std::string& command, const json& arguments, std::chrono::milliseconds limit,
                 Reply reply) override;
    void watch(OnEvent on_event, OnEnd on_end, std::chrono::milliseconds limit) override;
    void unwatch() override;
    [[nodiscard]] Life life() const override;
    [[nodiscard]] std::string incarnation() const override;

private:
    // A process is told from a later one with the same number by when it began.
    struct Process {
        int pid = 0;
        std::string began; // field 22 of /proc/PID/stat, in clock ticks
    };

    Session& session(std::chrono::milliseconds limit);
    void note_peer();
    void close_if_idle();
    static std::string began(int pid);

    std::string path_;
    std::shared_ptr<Session> session_;
    std::optional<Process> peer_; // at the other end of the last connection that stood
    bool watching_ = false;
};

} // namespace tiermemctl
