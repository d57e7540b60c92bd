// SPDX-License-Identifier: GPL-2.0-or-later
// Executes a known number of instructions: `loop TURNS` takes two for each turn, plus what starts and ends a program.
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    unsigned long turns = argc == 2 ? strtoul(argv[1], nullptr, 10) : 0;

    if (!turns) {
        fprintf(stderr, "usage: loop TURNS\n");
        return 2;
    }
    asm volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
    return 0;
}
