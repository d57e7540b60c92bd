// SPDX-License-Identifier: GPL-2.0-or-later
// Counts frames that are PageOffline: `kpageflags FIRST END` prints how many of the frames FIRST to END - 1 are.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <unistd.h>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: kpageflags FIRST END\n");
        return 2;
    }
    const unsigned long first = strtoul(argv[1], nullptr, 0);
    const unsigned long end = strtoul(argv[2], nullptr, 0);
    const int file = open("/proc/kpageflags", O_RDONLY);
    std::vector<std::uint64_t> flags(end > first ? end - first : 0);
    unsigned long offline = 0;

    if (file < 0) {
        perror("/proc/kpageflags");
        return 2;
    }
    const ssize_t got = pread(file, flags.data(), flags.size() * sizeof flags[0], static_cast<off_t>(first * 8));
    if (got < 0) {
        perror("/proc/kpageflags");
        return 2;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(got) / sizeof flags[0]; ++i)
        offline += flags[i] >> KPF_OFFLINE & 1;
    printf("frames=%zu offline=%lu\n", static_cast<std::size_t>(got) / sizeof flags[0], offline);
    return 0;
}
