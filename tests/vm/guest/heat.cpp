// SPDX-License-Identifier: GPL-2.0-or-later
// A program of known heat: `heat KIND HOT_MIB COLD_MIB [SECONDS]`.
//
// Touches COLD_MIB, then HOT_MIB, so that the hot part finds the fast tier full. Says "hot=ADDRESS cold=ADDRESS
// pid=N" (addresses hexadecimal), then reads and writes pages at random, 15 of 16 of them hot, and checks what it
// reads. After SECONDS (guest time; 0 or none: when a line comes on stdin) checks all pages and says "errors=N
// accesses=N".
// KIND: base or huge (anonymous, by page size), shared (anonymous, shared), forked (shared with a child that has touched
// all of it and sleeps), slow (bound to node 1).
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/mempolicy.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::size_t mib = 1 << 20;
constexpr std::size_t page = 4096;
constexpr std::size_t words = page / sizeof(std::uint64_t);
constexpr std::size_t huge = 2 * mib;

double now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

[[noreturn]] void fail(const char* what) {
    perror(what);
    exit(2);
}

// The first word of each page tells its number, the last one how often it was visited.
class Area {
  public:
    Area(const char* kind, std::size_t size) : pages_(size / page) {
        const bool shared = std::strcmp(kind, "shared") == 0 || std::strcmp(kind, "forked") == 0;
        // Apart from its neighbour, so that each area is a mapping of its own.
        void* memory = mmap(nullptr, size + 2 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            fail("mmap");
        const auto start = (reinterpret_cast<std::uintptr_t>(memory) + huge) & ~(huge - 1);
        memory = mmap(reinterpret_cast<void*>(start), size, PROT_READ | PROT_WRITE,
                      (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (memory == MAP_FAILED)
            fail("mmap");
        madvise(memory, size, std::strcmp(kind, "huge") == 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
        const unsigned long node1 = 2;
        if (std::strcmp(kind, "slow") == 0 && syscall(SYS_mbind, memory, size, MPOL_BIND, &node1, 8 * sizeof node1, 0UL))
            fail("mbind");
        data_ = static_cast<volatile std::uint64_t*>(memory);
        for (std::size_t i = 0; i < pages_; i++)
            data_[i * words] = i ^ salt;
    }
    [[nodiscard]] std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(data_); }
    // Returns how many errors were seen.
    unsigned visit(std::uint64_t random) {
        const std::size_t i = random % pages_;
        data_[i * words + words - 1] = data_[i * words + words - 1] + 1;
        visits_++;
        return data_[i * words] != (i ^ salt);
    }
    [[nodiscard]] std::uint64_t check() const {
        std::uint64_t errors = 0, visits = 0;
        for (std::size_t i = 0; i < pages_; i++) {
            errors += data_[i * words] != (i ^ salt);
            visits += data_[i * words + words - 1];
        }
        return errors + (visits != visits_);
    }

    void hide_from_children() const { madvise(const_cast<std::uint64_t*>(data_), pages_ * page, MADV_DONTFORK); }
    // Ends with this process.
    void share_with_sleeper() const {
        int touched[2];
        char done = 0;
        if (pipe(touched))
            fail("pipe");
        const pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (!child) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            done = check() != 0;
            if (write(touched[1], &done, 1) != 1)
                exit(2);
            for (;;)
                pause();
        }
        if (read(touched[0], &done, 1) != 1 || done)
            fail("the child");
    }

  private:
    static constexpr std::uint64_t salt = 0x5aa5'1234'0000'0000;
    std::size_t pages_;
    volatile std::uint64_t* data_ = nullptr;
    std::uint64_t visits_ = 0;
};

bool told_to_end() {
    pollfd in{0, POLLIN, 0};
    return poll(&in, 1, 0) > 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: heat base|huge|shared|forked|slow HOT_MIB COLD_MIB [SECONDS]\n");
        return 2;
    }
    Area cold("base", strtoul(argv[3], nullptr, 10) * mib);
    Area hot(argv[1], strtoul(argv[2], nullptr, 10) * mib);
    cold.hide_from_children();
    if (std::strcmp(argv[1], "forked") == 0)
        hot.share_with_sleeper();
    const double seconds = argc > 4 ? strtod(argv[4], nullptr) : 0, end = now() + seconds;
    printf("hot=%" PRIxPTR " cold=%" PRIxPTR " pid=%d\n", hot.address(), cold.address(), getpid());
    fflush(stdout);
    std::uint64_t errors = 0, accesses = 0, random = 88172645463325252;
    while (seconds > 0 ? now() < end : !told_to_end()) {
        for (int i = 0; i < 8192; i++, accesses++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            errors += (random >> 60 ? hot : cold).visit(random >> 8);
        }
    }
    errors += hot.check() + cold.check();
    printf("errors=%" PRIu64 " accesses=%" PRIu64 "\n", errors, accesses);
    return errors != 0;
}
