// SPDX-License-Identifier: GPL-2.0-or-later
// crew.hpp - child processes that go through the same steps at the same time.
#ifndef TIERLOAD_CREW_HPP
#define TIERLOAD_CREW_HPP

#include <functional>
#include <sys/types.h>
#include <vector>

namespace tierload {

// The child's end of the line to its parent.
class Line {
public:
    Line(int read_end, int write_end) : read_(read_end), write_(write_end) {}

    // Says that a step has been done, and waits until the next one may begin. The process ends
    // when the parent has gone.
    void step_done() const;

private:
    int read_;
    int write_;
};

// Children end with the crew, at the latest.
class Crew {
public:
    Crew() = default;
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // Starts a process that runs work() and ends; an exception ends it with its text on stderr.
    void add(const std::function<void(const Line&)>& work);

    // Waits until one, or each, has done its step. Throws std::runtime_error when one has ended.
    void await(std::size_t number);
    void await_all();

    // Lets all go on.
    void release_all();

private:
    struct Child {
        pid_t pid;
        int read_end;
        int write_end;
    };
    std::vector<Child> children_;
};

} // namespace tierload

#endif
