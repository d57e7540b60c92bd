// SPDX-License-Identifier: GPL-2.0-or-later
// Processes that know of each other by memory that they share: for the chaos programs.
#ifndef CROWD_HPP
#define CROWD_HPP

#include <atomic>
#include <new>
#include <sys/wait.h>

#include "kit.hpp"

namespace chaos {

// A State that all children of this process share, for as long as the program runs. Pointers to memory in it are valid
// in the process that owns the memory.
template <class State> State* share() {
    void* memory = mmap(nullptr, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        kit::fail("mmap");
    return new (memory) State{};
}

// Runs live(number) in so many children, sets `ended` for them when pass_time() returns, and waits for all. Returns
// the program's status: 0, or 2 if one of them has failed.
template <class Live, class PassTime>
int live_together(int processes, std::atomic<bool>& ended, const Live& live, const PassTime& pass_time) {
    for (int process = 0; process < processes; ++process) {
        const pid_t pid = fork();
        if (pid < 0)
            kit::fail("fork");
        if (pid == 0) {
            live(process);
            _exit(0);
        }
    }
    pass_time();
    ended = true;
    int worst = 0, status = 0;
    while (wait(&status) > 0)
        worst = status ? 2 : worst;
    return worst;
}

} // namespace chaos

#endif
