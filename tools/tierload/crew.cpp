// SPDX-License-Identifier: GPL-2.0-or-later
#include "crew.hpp"

#include <cerrno>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace tierload {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// Whether a byte came.
bool read_byte(int file) {
    char byte = 0;
    ssize_t got = 0;
    do
        got = read(file, &byte, 1);
    while (got < 0 && errno == EINTR);
    return got == 1;
}

[[noreturn]] void be_child(const std::function<void(const Line&)>& work, const Line& line) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        work(line);
        _exit(0);
    } catch (const std::exception& problem) {
        fmt::print(stderr, "tierload: {}\n", problem.what());
        _exit(1);
    }
}

} // namespace

void Line::step_done() const {
    const char byte = 1;
    if (write(write_, &byte, 1) != 1 || !read_byte(read_))
        _exit(1);
}

void Crew::add(const std::function<void(const Line&)>& work) {
    int up[2], down[2];
    if (pipe2(up, O_CLOEXEC) != 0 || pipe2(down, O_CLOEXEC) != 0)
        fail("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        close(up[0]);
        close(down[1]);
        be_child(work, Line(down[0], up[1]));
    }
    close(up[1]);
    close(down[0]);
    children_.push_back({pid, up[0], down[1]});
}

void Crew::await(std::size_t number) {
    const Child& child = children_[number];
    if (read_byte(child.read_end))
        return;
    int status = 0;
    waitpid(child.pid, &status, 0);
    throw std::runtime_error(
        WIFSIGNALED(status)
            ? fmt::format("process {} was killed by signal {}; out of memory?", child.pid,
                          WTERMSIG(status))
            : fmt::format("process {} ended with status {}", child.pid, WEXITSTATUS(status)));
}

void Crew::await_all() {
    for (std::size_t i = 0; i < children_.size(); i++)
        await(i);
}

void Crew::release_all() {
    const char byte = 1;
    for (const Child& child : children_)
        if (write(child.write_end, &byte, 1) != 1)
            fail("waking a process");
}

Crew::~Crew() {
    for (const Child& child : children_) {
        close(child.read_end);
        close(child.write_end);
        kill(child.pid, SIGKILL);
        waitpid(child.pid, nullptr, 0);
    }
}

} // namespace tierload
