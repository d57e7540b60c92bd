// SPDX-License-Identifier: GPL-2.0-or-later
// Holds the mmap lock of a process from the moment when a file changes, until it is told to end:
// hold-space PID FILE END-FIFO
//
// Prints "held" when it has the lock.
#include <fstream>
#include <sstream>

#include "kit.hpp"

namespace {

std::string text_of(const char* file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: hold-space PID FILE END-FIFO\n");
        return 2;
    }
    const auto pid = static_cast<__s32>(strtol(argv[1], nullptr, 10));
    kit::device();
    for (const std::string before = text_of(argv[2]); text_of(argv[2]) == before;)
        usleep(1000);
    if (ioctl(kit::device(), EXCHANGE_TEST_HOLD, pid) != 0)
        kit::fail("EXCHANGE_TEST_HOLD");
    puts("held");
    fflush(stdout);
    text_of(argv[3]);
    return 0;
}
