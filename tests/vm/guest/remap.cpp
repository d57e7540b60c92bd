// SPDX-License-Identifier: GPL-2.0-or-later
// Changes the machine's memory map while every CPU uses its timer: `remap CONFIG TIMES` turns the memory decoding of
// the PCI device with this file of its configuration space off and on, on CPU 0, at least TIMES each and until the other
// CPUs have slept as often. They sleep a little, over and over, which programs the timers of their local APICs by MMIO;
// afterwards every CPU sleeps once more. Says "sleeps=N".
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr off_t command_register = 4;
constexpr std::uint16_t memory_decoding = 1U << 1U; // PCI 3.0, 6.2.2

[[noreturn]] void fail(const char* what) {
    perror(what);
    exit(1);
}

void run_on(int cpu) {
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set))
        fail("pthread_setaffinity_np");
}

} // namespace

int main(int argc, char** argv) {
    const unsigned long times = argc == 3 ? strtoul(argv[2], nullptr, 10) : 0;
    if (!times) {
        fprintf(stderr, "usage: remap CONFIG TIMES\n");
        return 2;
    }
    const int config = open(argv[1], O_RDWR | O_CLOEXEC);
    if (config < 0)
        fail(argv[1]);

    std::atomic<bool> over{false};
    std::atomic<unsigned long> sleeps{0};
    std::vector<std::thread> sleepers;
    for (int cpu = 1; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++)
        sleepers.emplace_back([cpu, &over, &sleeps] {
            run_on(cpu);
            while (!over) {
                usleep(20);
                sleeps++;
            }
            usleep(1000);
        });

    run_on(0);
    std::uint16_t command = 0;
    if (pread(config, &command, sizeof command, command_register) != sizeof command)
        fail("pread");
    for (unsigned long i = 0; i < 2 * times || sleeps < times || i % 2 != 0; i++) {
        command ^= memory_decoding;
        if (pwrite(config, &command, sizeof command, command_register) != sizeof command)
            fail("pwrite");
    }
    over = true;
    usleep(1000);
    for (std::thread& sleeper : sleepers)
        sleeper.join();
    printf("sleeps=%lu\n", sleeps.load());
}
