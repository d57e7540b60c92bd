// SPDX-License-Identifier: GPL-2.0-or-later
// Spreads page cache and slab over free memory: `fragment FOLDER KEEP_MIB`.
//
// Writes small files into FOLDER (a tmpfs: its pages, inodes and names stay in memory) until only KEEP_MIB are free,
// then removes every second one, so that about half of all memory is free again, in single pages between pages in
// use. Prints how many files are left.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t mib = 1 << 20;
constexpr std::size_t page = 4096;
constexpr unsigned files_per_folder = 4096;

std::size_t free_bytes() {
    struct sysinfo info {};
    sysinfo(&info);
    return static_cast<std::size_t>(info.freeram) * info.mem_unit;
}

std::string name_of(const std::string& folder, unsigned number) {
    return folder + "/" + std::to_string(number / files_per_folder) + "/" + std::to_string(number);
}

bool write_page(const std::string& name) {
    static const std::vector<char> content(page, 'x');
    const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    const bool written = file >= 0 && write(file, content.data(), page) == static_cast<ssize_t>(page);
    if (file >= 0)
        close(file);
    return written;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: fragment FOLDER KEEP_MIB\n");
        return 2;
    }
    const std::string folder = argv[1];
    const std::size_t keep = strtoul(argv[2], nullptr, 10) * mib;
    unsigned count = 0;

    for (; count % 256 || free_bytes() > keep; ++count) {
        if (count % files_per_folder == 0)
            mkdir((folder + "/" + std::to_string(count / files_per_folder)).c_str(), 0700);
        if (!write_page(name_of(folder, count))) {
            perror(name_of(folder, count).c_str());
            return 1;
        }
    }
    for (unsigned number = 0; number < count; number += 2)
        unlink(name_of(folder, number).c_str());
    printf("files=%u\n", count / 2);
    return 0;
}
