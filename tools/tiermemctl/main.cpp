// SPDX-License-Identifier: GPL-2.0-or-later
// main.cpp - tiermemctl's command line
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "cli/program.h"

int main(int argc, char** argv) {
    const int status = tiermemctl::run_program(argc, argv);
    // A thread may still wait for libvirt: it is not waited for, and not run into by destructors.
    if (std::fflush(stdout) != 0 && status == 0)
        std::_Exit(1);
    std::_Exit(status);
}
