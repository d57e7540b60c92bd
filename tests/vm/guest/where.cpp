// SPDX-License-Identifier: GPL-2.0-or-later
// `where FILE [hold]`: how many pages of a file's page cache are on node 0 and on node 1, as "N N". It maps the file and
// touches all of it; hold: and sleeps then until killed.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr long page = 4096;

[[noreturn]] void fail(const char* what) {
    perror(what);
    exit(1);
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: where FILE [hold]\n");
        return 2;
    }
    const int file = open(argv[1], O_RDONLY | O_CLOEXEC);
    struct stat info{};
    if (file < 0 || fstat(file, &info) != 0)
        fail(argv[1]);
    auto* data = static_cast<volatile char*>(mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, file, 0));
    if (data == MAP_FAILED)
        fail("mmap");
    std::vector<volatile char*> pages;
    for (long at = 0; at < info.st_size; at += page) {
        pages.push_back(data + at);
        (void)data[at];
    }
    std::vector<int> nodes(pages.size());
    if (syscall(SYS_move_pages, 0, pages.size(), pages.data(), nullptr, nodes.data(), 0) != 0)
        fail("move_pages");
    long count[2] = {};
    for (const int node : nodes)
        if (node == 0 || node == 1)
            count[node]++;
    printf("%ld %ld\n", count[0], count[1]);
    fflush(stdout);
    if (argc > 2)
        pause();
}
