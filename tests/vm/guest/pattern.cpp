// SPDX-License-Identifier: GPL-2.0-or-later
// Fills memory with patterns keyed by address and keeps verifying them: `pattern SECONDS ANON_MIB FILE_MIB`.
//
// Two processes do so, each in anonymous memory and in a file of its own in /tmp (page cache that cannot be dropped).
// Blocks are verified, given back to the kernel and filled anew, in random order. A word depends on its address, its
// block's generation and the process, so that a page that was lost, zeroed, or swapped for another shows. SIGTERM ends
// the run early. Prints "verified_mib=N mismatches=N" and ends with status 1 if there was a mismatch.
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <random>
#include <span>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t block_bytes = 1 << 20;
constexpr std::size_t block_words = block_bytes / sizeof(std::uint64_t);
constexpr int processes = 2;

volatile std::sig_atomic_t ended = 0;

struct Tally {
    std::uint64_t blocks = 0;
    std::uint64_t mismatches = 0;
};

[[noreturn]] void fail(const char* what) {
    perror(what);
    _exit(2);
}

// A mapping cut into blocks; each block is empty (generation 0) or filled.
class Area {
public:
    Area(std::byte* memory, std::size_t blocks, std::uint64_t key, bool file)
        : memory_(memory), generations_(blocks), key_(key), file_(file) {}

    // Each word of the block is right, or says where not.
    void verify(std::size_t block, Tally& tally) {
        if (generations_[block] == 0)
            return;
        const std::span<const std::uint64_t> words = of(block);
        for (std::size_t i = 0; i < words.size(); ++i) {
            if (words[i] != expected(block, i))
                report(block, i, words[i], tally);
        }
        ++tally.blocks;
    }

    void fill(std::size_t block) {
        generations_[block] = ++newest_;
        const std::span<std::uint64_t> words = of(block);
        for (std::size_t i = 0; i < words.size(); ++i)
            words[i] = expected(block, i);
    }

    // Gives the pages back to the kernel, so that they can be surrendered.
    void drop(std::size_t block) {
        const int advice = file_ ? MADV_REMOVE : MADV_DONTNEED;
        if (madvise(memory_ + block * block_bytes, block_bytes, advice))
            fail("madvise");
        generations_[block] = 0;
    }

    [[nodiscard]] std::size_t blocks() const { return generations_.size(); }

private:
    [[nodiscard]] std::span<std::uint64_t> of(std::size_t block) const {
        return {reinterpret_cast<std::uint64_t*>(memory_ + block * block_bytes), block_words};
    }

    // The finalizer of splitmix64 (Steele, Lea, Flood, 2014): different for each address and generation.
    [[nodiscard]] std::uint64_t expected(std::size_t block, std::size_t word) const {
        std::uint64_t x = (block * block_words + word) ^ (generations_[block] << 40) ^ key_;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return x ^ (x >> 31);
    }

    void report(std::size_t block, std::size_t word, std::uint64_t found, Tally& tally) const {
        if (tally.mismatches++ < 10)
            fprintf(stderr, "mismatch: %s block %zu word %zu: 0x%016llx instead of 0x%016llx\n",
                    file_ ? "file" : "anonymous", block, word, static_cast<unsigned long long>(found),
                    static_cast<unsigned long long>(expected(block, word)));
    }

    std::byte* memory_;
    std::vector<std::uint64_t> generations_;
    std::uint64_t newest_ = 0;
    std::uint64_t key_;
    bool file_;
};

std::byte* map(std::size_t bytes, int file) {
    const int flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    return static_cast<std::byte*>(memory);
}

int make_file(int process, std::size_t bytes) {
    const std::string name = "/tmp/pattern-" + std::to_string(process);
    const int file = open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)))
        fail(name.c_str());
    unlink(name.c_str());
    return file;
}

int work(int process, time_t seconds, std::size_t anonymous, std::size_t in_file) {
    const std::uint64_t key = static_cast<std::uint64_t>(process + 1) << 56;
    std::array<Area, 2> areas{
        Area{map(anonymous * block_bytes, -1), anonymous, key, false},
        Area{map(in_file * block_bytes, make_file(process, in_file * block_bytes)), in_file, key, true}};
    std::mt19937 random(static_cast<unsigned>(process + 1));
    Tally tally;

    for (Area& area : areas)
        for (std::size_t block = 0; block < area.blocks(); ++block)
            area.fill(block);
    const time_t end = time(nullptr) + seconds;
    while (!ended && time(nullptr) < end) {
        Area& area = areas[random() % 4 == 0];
        const std::size_t block = random() % area.blocks();
        area.verify(block, tally);
        if (random() % 3 == 0)
            area.drop(block);
        area.fill(random() % 2 ? block : random() % area.blocks());
    }
    for (Area& area : areas)
        for (std::size_t block = 0; block < area.blocks(); ++block)
            area.verify(block, tally);
    printf("verified_mib=%llu mismatches=%llu\n", static_cast<unsigned long long>(tally.blocks),
           static_cast<unsigned long long>(tally.mismatches));
    fflush(stdout);
    return tally.mismatches != 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: pattern SECONDS ANON_MIB FILE_MIB\n");
        return 2;
    }
    const time_t seconds = atol(argv[1]);
    const std::size_t anonymous = strtoul(argv[2], nullptr, 10) / processes;
    const std::size_t in_file = strtoul(argv[3], nullptr, 10) / processes;
    int worst = 0;

    signal(SIGTERM, [](int) { ended = 1; });
    for (int process = 0; process < processes; ++process) {
        const pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0)
            _exit(work(process, seconds, anonymous, in_file));
    }
    for (int process = 0; process < processes; ++process) {
        int status = 0;
        while (wait(&status) < 0) // interrupted by SIGTERM, which goes to all of the group
            ;
        const int result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        worst = result > worst ? result : worst;
    }
    return worst;
}
