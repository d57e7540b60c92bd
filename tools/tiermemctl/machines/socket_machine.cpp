// SPDX-License-Identifier: GPL-2.0-or-later
// socket_machine.cpp - a machine whose QMP monitor is a unix socket
#include "socket_machine.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace tiermemctl {
namespace {

// The error with which connecting to a path fails at once; 0 if it does not.
int connect_error(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path))
        return ENAMETOOLONG;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    const int failed =
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
    close(fd);
    return failed;
}

} // namespace

SocketMachine::~SocketMachine() {
    if (session_)
        session_->close();
}

Session& SocketMachine::session(std::chrono::milliseconds limit) {
    if (!session_ || session_->ended())
        session_ = Session::open(path_, limit);
    return *session_;
}

void SocketMachine::execute(const std::string& command, const json& arguments,
                            std::chrono::milliseconds limit, Reply reply) {
    session(limit).execute(
        command, arguments, limit,
        [self = shared_from_this(), reply = std::move(reply)](const Outcome<json>& outcome) {
            self->note_peer();
            reply(outcome ? outcome : Outcome<json>(self->named(outcome.failure())));
            self->close_if_idle();
        });
}

void SocketMachine::watch(OnEvent on_event, OnEnd on_end, std::chrono::milliseconds limit) {
    watching_ = true;
    Session& held = session(limit);
    held.on_event = std::move(on_event);
    held.on_end = [this, on_end = std::move(on_end)](const Failure& why) {
        watching_ = false;
        on_end(named(why));
    };
}

void SocketMachine::unwatch() {
    watching_ = false;
    if (session_)
        session_->on_event = nullptr, session_->on_end = nullptr;
    close_if_idle();
}

void SocketMachine::close_if_idle() {
    if (session_ && !watching_ && session_->idle())
        std::exchange(session_, nullptr)->close();
}

void SocketMachine::note_peer() {
    if (session_ && session_->peer())
        peer_ = Process{*session_->peer(), began(*session_->peer())};
}

std::string SocketMachine::incarnation() const {
    return peer_ ? fmt::format("{}:{}", peer_->pid, peer_->began) : "";
}

std::string SocketMachine::began(int pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    std::getline(file, line);
    const size_t name_end = line.rfind(')'); // the name before it may hold anything
    if (name_end == std::string::npos)
        return "";
    std::istringstream fields(line.substr(name_end + 1));
    std::string field;
    for (int number = 3; number <= 22; number++)
        fields >> field;
    return field;
}

// Nobody listens: the process has ended, as QEMU never closes the listening socket of a monitor. A
// missing file tells nothing by itself: somebody may have removed it, so its process is looked at.
Machine::Life SocketMachine::life() const {
    const int failed = connect_error(path_);
    if (failed == ECONNREFUSED)
        return Life::Gone;
    if (failed == ENOENT && peer_ && !peer_->began.empty() && began(peer_->pid) != peer_->began)
        return Life::Gone;
    return Life::Unknown;
}

} // namespace tiermemctl
