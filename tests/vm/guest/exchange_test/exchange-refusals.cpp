// SPDX-License-Identifier: GPL-2.0-or-later
// Brings about each refusal of the exchanger with one pair: a good hot page on the slow node, and a cold page on the
// fast one that may not be exchanged. Prints a line for each case:
//
//   CASE outcome=NAME counted=N wrong=WORDS places=same|changed ran=yes
//
// or "CASE cannot=WHY" where this kernel does not have what the case needs.
// Needs root, swap off, cgroup v2 with the controllers cpuset and memory at /sys/fs/cgroup.
#include <cerrno>
#include <csignal>
#include <cstring>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "kit.hpp"

namespace {

using kit::map_on;
using kit::page;
using kit::print_case;

// What is exchanged and verified: one page, or 2 MiB.
struct Cold {
    std::byte* memory;
    std::size_t bytes;
    bool verify = true; // the process may read it, and its content is fill()'s
    pid_t pid = 0;
};

void report(const char* name, const Cold& cold, unsigned trouble = EXCHANGE_TEST_NONE,
            kit::Size size = kit::Size::base) {
    const std::size_t bytes = size == kit::Size::huge ? kit::huge_page : page;
    std::byte* hot = map_on(kit::slow, bytes, size);
    std::vector<kit::Pair> pairs{{0, cold.pid, kit::address(hot), kit::address(cold.memory), size == kit::Size::huge, 0}};
    kit::Call call{};
    call.pairs = kit::address(pairs.data());
    call.nr = 1;
    call.trouble = trouble;
    if (ioctl(kit::device(), EXCHANGE_TEST_RUN, &call) != 0) {
        if (errno != EOPNOTSUPP)
            kit::fail(name);
        printf("%s cannot=this kernel has no such flag\n", name);
        return;
    }
    const unsigned outcome = pairs[0].outcome;
    const bool readable = cold.verify && cold.pid == 0;
    const std::uint64_t wrong = kit::wrong_words(hot, bytes) + (readable ? kit::wrong_words(cold.memory, cold.bytes) : 0);
    const bool same = kit::pages_on(kit::slow, hot, bytes) == bytes / page;
    print_case(name, outcome, call.outcomes[outcome], wrong, same);
}

Cold good() { return {map_on(kit::fast, page), page}; }

Cold touched(int flags) {
    std::byte* memory = kit::map(page, kit::Size::base, flags);
    kit::fill(memory, page);
    return {memory, page};
}

// Mappings

void arguments() {
    Cold cold = good();
    cold.verify = false;
    cold.memory += 8;
    report("misaligned", cold);
    report("kernel-address", {reinterpret_cast<std::byte*>(0xffff888000000000UL), page, false});
    report("misaligned-huge", {map_on(kit::fast, kit::huge_page) + page, page, false}, EXCHANGE_TEST_NONE, kit::Size::huge);
}

void mappings() {
    report("unmapped", {reinterpret_cast<std::byte*>(0x10000), page, false});
    report("shared-mapping", touched(MAP_SHARED | MAP_ANONYMOUS));
    const int file = open("/tmp/exchange-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, page) != 0)
        kit::fail("/tmp/exchange-file");
    void* mapped = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    kit::fill(static_cast<std::byte*>(mapped), page);
    report("private-file", {static_cast<std::byte*>(mapped), page});
}

void locked() {
    const Cold cold = good();
    if (mlock(cold.memory, page) != 0)
        kit::fail("mlock");
    report("mlock", cold);
    report("unevictable", good(), EXCHANGE_TEST_UNEVICTABLE);
}

void userfaultfd(const char* name, std::uint64_t mode) {
    const Cold cold = good();
    const int file = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
    uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
    if (file < 0 || ioctl(file, UFFDIO_API, &api) != 0)
        kit::fail("userfaultfd");
    uffdio_register range{.range = {kit::address(cold.memory), page}, .mode = mode, .ioctls = 0};
    if (ioctl(file, UFFDIO_REGISTER, &range) != 0)
        kit::fail("UFFDIO_REGISTER");
    report(name, cold);
    close(file);
}

// What is mapped

void absent() {
    report("untouched", {kit::map(page), page, false});
    const Cold cold = good();
    madvise(cold.memory, page, MADV_DONTNEED);
    report("dropped", {cold.memory, page, false});
    report("untouched-huge", {kit::map(kit::huge_page), page, false}, EXCHANGE_TEST_NONE, kit::Size::huge);
}

void sizes() {
    report("huge-as-base", {map_on(kit::fast, kit::huge_page, kit::Size::huge), kit::huge_page});
    report("base-as-huge", {map_on(kit::fast, kit::huge_page), kit::huge_page}, EXCHANGE_TEST_NONE, kit::Size::huge);
    std::byte* split = map_on(kit::fast, kit::huge_page, kit::Size::huge);
    if (mprotect(split, page, PROT_READ) != 0)
        kit::fail("mprotect");
    report("part-of-huge", {split + page, kit::huge_page - page});
}

void zero_page() {
    std::byte* memory = kit::map(2 * page);
    memory[page] = std::byte{1}; // the mapping has anonymous pages
    const volatile std::byte* first = memory;
    (void)*first;
    report("zero-page", {memory, page, false});
}

void merged() {
    constexpr std::size_t bytes = 64 * page;
    std::byte* memory = kit::map(bytes);
    memset(memory, 0x5a, bytes);
    if (madvise(memory, bytes, MADV_MERGEABLE) != 0)
        kit::fail("MADV_MERGEABLE");
    kit::write_text("/sys/kernel/mm/ksm/pages_to_scan", "10000");
    kit::write_text("/sys/kernel/mm/ksm/sleep_millisecs", "10");
    kit::write_text("/sys/kernel/mm/ksm/run", "1");
    char shared[16] = "0";
    for (int i = 0; i < 200 && strtol(shared, nullptr, 10) < 32; ++i) {
        usleep(50000);
        FILE* file = fopen("/sys/kernel/mm/ksm/pages_sharing", "r");
        if (!file || !fgets(shared, sizeof(shared), file))
            kit::fail("pages_sharing");
        fclose(file);
    }
    kit::write_text("/sys/kernel/mm/ksm/run", "0");
    report("ksm", {memory, page, false});
}

void lazyfree() {
    const Cold cold = good();
    if (madvise(cold.memory, page, MADV_FREE) != 0)
        kit::fail("MADV_FREE");
    usleep(100000);
    report("lazyfree", cold);
}

// References

void io_uring_pin() {
    const Cold cold = good();
    io_uring_params parameters{};
    const int ring = static_cast<int>(syscall(SYS_io_uring_setup, 1, &parameters));
    if (ring < 0) {
        printf("io_uring cannot=this kernel has no io_uring: %s\n", strerror(errno));
        return;
    }
    const iovec buffer{cold.memory, page};
    if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1) != 0)
        kit::fail("IORING_REGISTER_BUFFERS");
    report("io_uring", cold);
    close(ring);
}

void in_a_pipe() {
    const Cold cold = good();
    int ends[2];
    const iovec buffer{cold.memory, page};
    if (pipe(ends) || vmsplice(ends[1], &buffer, 1, 0) != page)
        kit::fail("vmsplice");
    report("vmsplice", cold);
    close(ends[0]);
    close(ends[1]);
}

// A child that has called prepare(pipe), which writes a byte when it is done, and then waits to be ended.
template <typename Prepare> pid_t child(Prepare prepare) {
    int ready[2];
    if (pipe(ready))
        kit::fail("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        kit::fail("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prepare(ready[1]);
        pause();
        _exit(0);
    }
    char byte;
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        kit::fail("child");
    close(ready[0]);
    return pid;
}

void end(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
}

void say_ready(int pipe) {
    if (write(pipe, "x", 1) != 1)
        _exit(2);
}

void forked() {
    const Cold cold = good();
    const pid_t pid = child(say_ready);
    report("forked", cold);
    end(pid);
    report("forked-and-ended", cold); // ours alone again
}

// Limits on nodes

void policies() {
    Cold cold = good();
    const unsigned long nodes = 1UL << kit::fast;
    if (syscall(SYS_mbind, cold.memory, page, kit::mpol_bind, &nodes, 64, 0) != 0)
        kit::fail("mbind");
    report("mbind-bind", cold);
    cold = good();
    if (syscall(SYS_mbind, cold.memory, page, kit::mpol_preferred, &nodes, 64, 0) != 0)
        kit::fail("mbind");
    report("mbind-preferred", cold);
    cold = good();
    // Prepared with another policy, so set only for the exchange.
    std::byte* hot = map_on(kit::slow, page);
    std::vector<kit::Pair> pairs = kit::pairs(hot, cold.memory, page);
    kit::set_policy(kit::mpol_bind, kit::fast);
    const kit::Call call = kit::exchange(pairs);
    kit::set_policy(kit::mpol_default, 0);
    print_case("task-policy", pairs[0].outcome, call.outcomes[pairs[0].outcome],
               kit::wrong_words(hot, page) + kit::wrong_words(cold.memory, page), kit::pages_on(kit::slow, hot, page) == 1);
}

// A child in a cgroup of its own, with a page on the fast node at the same address as the parent's reservation.
void in_cgroup(const char* name, const char* controller, const char* file, const char* value) {
    static int number = 0;
    const std::string folder = "/sys/fs/cgroup/exchange-" + std::to_string(number++);
    kit::write_text("/sys/fs/cgroup/cgroup.subtree_control", (std::string("+") + controller).c_str());
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        kit::fail(folder.c_str());
    if (file)
        kit::write_text((folder + "/" + file).c_str(), value);
    std::byte* memory = kit::map(page);
    const pid_t pid = child([&](int ready) {
        kit::write_text((folder + "/cgroup.procs").c_str(), "0");
        if (!file)
            kit::set_policy(kit::mpol_bind, kit::fast);
        kit::fill(memory, page);
        kit::set_policy(kit::mpol_default, 0);
        say_ready(ready);
    });
    report(name, {memory, page, false, pid});
    end(pid);
    rmdir(folder.c_str());
}

// References that come and go while pages are under way. Each pair may end in another way; "late" is looked for.
void teased() {
    constexpr std::size_t bytes = 512 * page;
    std::byte* hot = map_on(kit::slow, bytes);
    std::byte* cold = map_on(kit::fast, bytes);
    std::vector<kit::Pair> pairs = kit::pairs(hot, cold, bytes);
    const kit::Call call = kit::exchange(pairs, EXCHANGE_TEST_TEASE);
    unsigned found = 0;
    while (found + 1 < EXCHANGE_TEST_OUTCOMES && (!call.outcomes[found] || kit::name(found) != "late"))
        ++found;
    std::uint64_t astray = 0; // pairs of which both pages are on one node
    for (std::size_t at = 0; at < bytes; at += page)
        astray += kit::pages_on(kit::fast, hot + at, page) != kit::pages_on(kit::slow, cold + at, page);
    print_case("teased", found, call.outcomes[found], kit::wrong_words(hot, bytes) + kit::wrong_words(cold, bytes),
               astray == 0);
}

// The cold page is another process's.
void other_space(const char* name, unsigned trouble) {
    std::byte* memory = kit::map(page);
    const pid_t pid = child([&](int ready) {
        kit::fill(memory, page);
        say_ready(ready);
    });
    report(name, {memory, page, false, pid}, trouble);
    end(pid);
}

} // namespace

int main() {
    setvbuf(stdout, nullptr, _IOLBF, 0);
    arguments();
    mappings();
    locked();
    userfaultfd("userfaultfd-missing", UFFDIO_REGISTER_MODE_MISSING);
    userfaultfd("userfaultfd-wp", UFFDIO_REGISTER_MODE_WP);
    absent();
    sizes();
    zero_page();
    merged();
    lazyfree();
    report("poisoned", good(), EXCHANGE_TEST_POISON);
    report("swapcache", good(), EXCHANGE_TEST_SWAPCACHE);
    report("writeback", good(), EXCHANGE_TEST_WRITEBACK);
    report("page-locked", good(), EXCHANGE_TEST_LOCK_PAGE);
    io_uring_pin();
    in_a_pipe();
    forked();
    policies();
    in_cgroup("cpuset", "cpuset", "cpuset.mems", "0"); // before there are memory cgroups
    in_cgroup("cgroup", "memory", nullptr, nullptr);
    other_space("space-busy", EXCHANGE_TEST_LOCK_SPACE);
    teased();
    report("notifier", good(), EXCHANGE_TEST_NOTIFIER);
    other_space("notifier-of-one", EXCHANGE_TEST_NONE); // last: the kernel keeps a watched space marked
    return 0;
}
