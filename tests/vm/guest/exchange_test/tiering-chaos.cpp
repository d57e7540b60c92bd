// SPDX-License-Identifier: GPL-2.0-or-later
// Programs with hot and cold memory, to whom happens all that happens to memory, while the driver moves it:
// tiering-chaos MIB END-FILE
//
// Two processes. Two workers in each have MIB of base pages and 6 MiB of huge ones, write and verify them (mostly a
// quarter of them, which moves), and do to them what chaos::disturb() does, MADV_FREE, munmap(), pins by vmsplice() and
// io_uring, and process_vm_writev(). Two more threads have memory that KSM merges, and memory that is served by userfaultfd
// (missing pages by copy and, where the kernel can, by move; write protection). One reads all of it by
// process_vm_readv(). All end when END-FILE is there. Prints for each process:
//
//   checked=PAGES wrong=PAGES collapsed=TIMES piped=TIMES pinned=TIMES twins=ROUNDS served=PAGES moved=PAGES
//   unprotected=TIMES
#include <array>
#include <cstring>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/uio.h>

#include "crowd.hpp"
#include "region.hpp"

#ifndef UFFDIO_MOVE // since 6.8
struct uffdio_move {
    __u64 dst, src, len, mode;
    __s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#define UFFD_FEATURE_MOVE (1 << 16)
#endif

namespace {

using chaos::Region, chaos::Tally;
using Random = std::mt19937;

constexpr int processes = 2, workers = 2;
constexpr std::size_t huge_bytes = 3 * kit::huge_page;
constexpr int visits = 200; // of pages between two disturbances

struct Shared {
    std::size_t base_bytes;
    std::atomic<bool> ended;
    std::atomic<pid_t> pids[processes];
    std::atomic<std::byte*> regions[processes][workers][2];
    Tally tallies[processes];
    std::atomic<std::uint64_t> piped[processes], pinned[processes], twins[processes], served[processes], moved[processes],
        unprotected[processes];
};

Shared* shared;

// ---- Workers ----

void check_run(const Region& region, std::size_t first, std::size_t count, Tally& tally) {
    for (std::size_t i = first; i < first + count; ++i)
        chaos::check(region, i, tally);
}

void free_lazily(Region& region, std::size_t first, std::size_t count, Tally& tally) {
    region.advise(first, count, MADV_FREE);
    std::this_thread::yield();
    for (std::size_t i = first; i < first + count; ++i) {
        ++tally.checked;
        tally.wrong += !region.right_or_zero(i);
        region.write(i);
    }
}

// The pages are in a pipe for a while, and come out as they were.
void pin_in_pipe(const Region& region, std::size_t first, Tally& tally) {
    int ends[2];
    std::byte* memory = region.memory() + first * kit::page;
    const iovec buffer{memory, kit::page};
    std::array<std::byte, kit::page> read_back;
    if (pipe(ends) || vmsplice(ends[1], &buffer, 1, 0) != static_cast<ssize_t>(kit::page))
        kit::fail("vmsplice");
    usleep(2000);
    ++tally.checked;
    tally.wrong += read(ends[0], read_back.data(), kit::page) != static_cast<ssize_t>(kit::page) ||
                   memcmp(read_back.data(), memory, kit::page) != 0;
    close(ends[0]);
    close(ends[1]);
}

// The ring's own mapping of the pages sees what is written to them. Whether there was a ring that took them.
bool pin_in_ring(Region& region, std::size_t first, std::size_t count, Tally& tally) {
    io_uring_params parameters{};
    const int ring = static_cast<int>(syscall(SYS_io_uring_setup, 1, &parameters));
    if (ring < 0)
        return false;
    const iovec buffer{region.memory() + first * kit::page, count * kit::page};
    const bool pinned = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1) == 0;
    if (pinned) {
        region.write(first);
        usleep(2000);
        check_run(region, first, count, tally);
    }
    close(ring);
    return pinned;
}

// Overwrites a page with what is in it, by way of the kernel.
void write_from_outside(const Region& region, std::size_t first) {
    std::array<std::byte, kit::page> buffer;
    std::byte* memory = region.memory() + first * kit::page;
    memcpy(buffer.data(), memory, kit::page);
    const iovec local{buffer.data(), kit::page}, remote{memory, kit::page};
    if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != static_cast<ssize_t>(kit::page))
        kit::fail("process_vm_writev");
}

void disturb(int process, Region& region, Random& random, Tally& tally) {
    const std::size_t first = random() % region.pages();
    const std::size_t count = std::min<std::size_t>(1 + random() % 32, region.pages() - first);
    switch (random() % 10) {
    case 0:
        return free_lazily(region, first, count, tally);
    case 1:
        ++shared->piped[process];
        return pin_in_pipe(region, first, tally);
    case 2:
        shared->pinned[process] += pin_in_ring(region, first, count, tally);
        return;
    case 3:
        return write_from_outside(region, first);
    case 4:
        return region.unmap(first, count);
    default:
        return chaos::disturb(region, random, tally, false);
    }
}

// Mostly in a quarter of the region, which is another one every 64 rounds.
std::size_t next_page(const Region& region, unsigned round, Random& random) {
    const std::size_t quarter = region.pages() / 4;
    return random() % 8 ? round / 64 % 4 * quarter + random() % quarter : random() % region.pages();
}

void work(int process, int worker) {
    Tally& tally = shared->tallies[process];
    const std::uint64_t key = (static_cast<std::uint64_t>(process * workers + worker) + 1) << 40;
    std::vector<Region> regions;
    Random random(static_cast<unsigned>(key >> 40));
    regions.emplace_back(kit::Size::base, shared->base_bytes, key);
    regions.emplace_back(kit::Size::huge, huge_bytes, key << 1);
    for (int i = 0; i < 2; ++i) {
        for (std::size_t index = 0; index < regions[i].pages(); ++index)
            regions[i].write(index);
        shared->regions[process][worker][i] = regions[i].memory();
    }
    for (unsigned round = 0; !shared->ended; ++round) {
        Region& region = regions[random() % 2];
        region.refill();
        for (int i = 0; i < visits; ++i) {
            const std::size_t index = next_page(region, round, random);
            chaos::check(region, index, tally);
            if (random() % 4 == 0)
                region.write(index);
        }
        disturb(process, region, random, tally);
    }
    for (const Region& region : regions)
        check_run(region, 0, region.pages(), tally);
}

// ---- Memory that KSM merges ----

// Pages of four contents; any of them becomes one of another content now and then.
void be_twins(int process) {
    constexpr std::size_t pages = 512, kinds = 4;
    std::byte* memory = kit::map(pages * kit::page);
    std::vector<std::size_t> kind(pages);
    Tally& tally = shared->tallies[process];
    Random random(11);
    const auto word = [](std::size_t of) { return kit::content(nullptr, of + 1); };
    const auto write = [&](std::size_t index) {
        std::fill_n(reinterpret_cast<std::uint64_t*>(memory + index * kit::page), chaos::words, word(kind[index]));
    };
    for (std::size_t i = 0; i < pages; ++i) {
        kind[i] = i % kinds;
        write(i);
    }
    madvise(memory, pages * kit::page, MADV_MERGEABLE);
    for (; !shared->ended; ++shared->twins[process]) {
        for (std::size_t i = 0; i < pages; ++i) {
            const auto* words = reinterpret_cast<const volatile std::uint64_t*>(memory + i * kit::page);
            ++tally.checked;
            tally.wrong += !std::all_of(words, words + chaos::words, [&](std::uint64_t w) { return w == word(kind[i]); });
        }
        const std::size_t index = random() % pages;
        kind[index] = random() % kinds;
        write(index);
        usleep(1000);
    }
}

// ---- Memory that is served by userfaultfd ----

// Has fill()'s content always: the server sees to it when a page has gone.
class Served {
  public:
    explicit Served(int process)
        : process_(process), memory_(kit::map(bytes)), spare_(kit::map(bytes)),
          file_(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK))) {
        uffdio_api api{.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP, .ioctls = 0};
        uffdio_register range{.range = {kit::address(memory_), bytes},
                              .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP, .ioctls = 0};
        if (file_ < 0 || ioctl(file_, UFFDIO_API, &api) || ioctl(file_, UFFDIO_REGISTER, &range))
            kit::fail("userfaultfd");
    }

    void serve() {
        while (!ended_) {
            pollfd wanted{file_, POLLIN, 0};
            uffd_msg message;
            if (poll(&wanted, 1, 50) > 0 && read(file_, &message, sizeof message) == sizeof message)
                answer(message.arg.pagefault);
        }
    }

    void use() {
        Tally& tally = shared->tallies[process_];
        Random random(13);
        while (!shared->ended) {
            std::byte* at = memory_ + random() % pages * kit::page;
            if (random() % 2)
                madvise(at, kit::page, MADV_DONTNEED);
            else
                protect(at, UFFDIO_WRITEPROTECT_MODE_WP);
            kit::fill(at, kit::page); // makes the server bring the page, or allow to write it
            ++tally.checked;
            tally.wrong += kit::wrong_words(at, kit::page) != 0;
            usleep(500);
        }
        ended_ = true;
    }

  private:
    static constexpr std::size_t pages = 256, bytes = pages * kit::page;

    void protect(std::byte* page, std::uint64_t mode) const {
        uffdio_writeprotect range{.range = {kit::address(page), kit::page}, .mode = mode};
        ioctl(file_, UFFDIO_WRITEPROTECT, &range); // refused where nothing is mapped
    }

    void answer(const decltype(uffd_msg{}.arg.pagefault)& fault) {
        std::byte* page = memory_ + ((fault.address - kit::address(memory_)) & -kit::page);
        if (fault.flags & UFFD_PAGEFAULT_FLAG_WP) {
            ++shared->unprotected[process_];
            protect(page, 0);
            return;
        }
        std::byte* source = spare_ + (page - memory_);
        auto* words = reinterpret_cast<std::uint64_t*>(source);
        for (std::size_t i = 0; i < chaos::words; ++i)
            words[i] = kit::content(page + 8 * i, 1);
        ++shared->served[process_];
        uffdio_move move{.dst = kit::address(page), .src = kit::address(source), .len = kit::page, .mode = 0, .move = 0};
        if (ioctl(file_, UFFDIO_MOVE, &move) == 0) {
            ++shared->moved[process_];
            return;
        }
        uffdio_copy copy{.dst = kit::address(page), .src = kit::address(source), .len = kit::page, .mode = 0, .copy = 0};
        if (ioctl(file_, UFFDIO_COPY, &copy) != 0 && errno != EEXIST && errno != EAGAIN)
            kit::fail("UFFDIO_COPY");
    }

    int process_;
    std::byte* memory_;
    std::byte* spare_;
    int file_;
    std::atomic<bool> ended_{false};
};

// ---- Others who read it ----

void read_all_the_time() {
    Random random(9);
    std::array<std::byte, kit::page> buffer;
    while (!shared->ended) {
        const int process = static_cast<int>(random() % processes);
        const std::size_t kind = random() % 2;
        std::byte* memory = shared->regions[process][random() % workers][kind];
        if (memory) {
            const iovec local{buffer.data(), buffer.size()};
            const iovec remote{memory + random() % ((kind ? huge_bytes : shared->base_bytes) / kit::page) * kit::page,
                               buffer.size()};
            process_vm_readv(shared->pids[process], &local, 1, &remote, 1, 0);
        }
        usleep(200);
    }
}

void run_process(int process) {
    std::vector<std::thread> threads;
    shared->pids[process] = getpid();
    Served served(process);
    threads.reserve(workers + 4);
    for (int worker = 0; worker < workers; ++worker)
        threads.emplace_back(work, process, worker);
    threads.emplace_back(be_twins, process);
    threads.emplace_back(&Served::serve, &served);
    threads.emplace_back(&Served::use, &served);
    if (process == 0)
        threads.emplace_back(read_all_the_time);
    for (std::thread& thread : threads)
        thread.join();
    const auto number = [](const std::atomic<std::uint64_t>& of) { return static_cast<unsigned long>(of); };
    printf("checked=%lu wrong=%lu collapsed=%lu piped=%lu pinned=%lu twins=%lu served=%lu moved=%lu unprotected=%lu\n",
           number(shared->tallies[process].checked), number(shared->tallies[process].wrong),
           number(shared->tallies[process].collapsed), number(shared->piped[process]), number(shared->pinned[process]),
           number(shared->twins[process]), number(shared->served[process]), number(shared->moved[process]),
           number(shared->unprotected[process]));
    fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: tiering-chaos MIB END-FILE\n");
        return 2;
    }
    shared = chaos::share<Shared>();
    shared->base_bytes = strtoul(argv[1], nullptr, 10) << 20;
    return chaos::live_together(processes, shared->ended, run_process, [&] {
        while (access(argv[2], F_OK) != 0)
            usleep(100000);
    });
}
