// SPDX-License-Identifier: GPL-2.0-or-later
#include "run.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <sys/mman.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

#include "crew.hpp"
#include "guest.hpp"
#include "party.hpp"
#include "placement.hpp"
#include "report.hpp"
#include "worker.hpp"

namespace tierload {
namespace {

struct Unmap {
    void operator()(Shared* shared) const { munmap(shared, sizeof *shared); }
};

std::unique_ptr<Shared, Unmap> make_shared_memory() {
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "mapping shared memory");
    return std::unique_ptr<Shared, Unmap>(new (memory) Shared{});
}

void sleep_until(std::uint64_t time) {
    const timespec wake{static_cast<time_t>(time / 1'000'000'000),
                        static_cast<long>(time % 1'000'000'000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr) == EINTR)
        ;
}

// The pages that an oracle may choose: as asked for, or what is free on the fast node.
std::size_t fast_pages(const Settings& settings) {
    if (settings.fast_bytes || (settings.place != Place::ideal && !settings.oracle))
        return settings.fast_bytes / page_size;
    return node_free(settings.fast_node) / page_size;
}

class Run {
public:
    explicit Run(const Settings& settings)
        : settings_(settings), fast_pages_(fast_pages(settings)),
          area_(settings.size, settings.huge), party_(area_, settings),
          placement_(area_, settings, fast_pages_), shared_(make_shared_memory()),
          report_(settings.json, settings.watch) {}

    void all() {
        report_.settings(settings_, *find_workload(settings_.workload), fast_pages_ * page_size);
        if (settings_.oracle)
            tell_oracle();
        if (settings_.place == Place::ideal)
            placement_.plan(party_.heat_to_plan(0, false));
        populate();
        watch();
    }

private:
    void tell_oracle();
    void populate();
    void watch();
    void work(unsigned number, const Line& line);
    [[nodiscard]] std::uint64_t operations() const;

    const Settings& settings_;
    std::size_t fast_pages_;
    Area area_;
    Party party_;
    Placement placement_;
    std::unique_ptr<Shared, Unmap> shared_;
    Report report_;
    Crew crew_;
};

void Run::tell_oracle() {
    const auto tell = [this](const char* phase, double progress, bool shifted) {
        const Heat heat = party_.heat(progress, shifted);
        const std::size_t unit = settings_.huge ? huge_page_size / page_size : 1;
        report_.oracle(phase, area_, heat, hottest(heat, fast_pages_, unit),
                       settings_.oracle_ranges);
    };
    tell("start", 0, false);
    if (party_.shifts())
        tell("shift", settings_.shift_at, true);
    tell("end", 1, party_.shifts());
}

// The hottest process comes last, when fast memory may be full: the harder case.
void Run::populate() {
    const auto count = static_cast<unsigned>(party_.members().size());
    for (unsigned i = 0; i < count; i++) {
        const unsigned number = count - 1 - i;
        crew_.add([this, number](const Line& line) { work(number, line); });
        crew_.await(i);
    }
    report_.mark("populated", 0);
}

void Run::work(unsigned number, const Line& line) {
    Worker worker(settings_, party_, placement_, *shared_, number);
    worker.prepare();
    line.step_done();
    if (setpriority(PRIO_PROCESS, 0, party_.members()[number].nice) != 0)
        throw std::system_error(errno, std::generic_category(), "setpriority");
    worker.work();
    line.step_done();
}

std::uint64_t Run::operations() const {
    std::uint64_t all = 0;
    for (const auto& worker : shared_->worker)
        all += worker.operations.load(std::memory_order_relaxed);
    return all;
}

void Run::watch() {
    const auto length = static_cast<std::uint64_t>(settings_.seconds * 1e9);
    const auto interval = static_cast<std::uint64_t>(settings_.interval * 1e9);
    report_.mark("start", 0);
    const std::uint64_t start = now(), end = start + length;
    std::uint64_t shift =
        party_.shifts()
            ? start + static_cast<std::uint64_t>(settings_.shift_at * static_cast<double>(length))
            : end;
    shared_->start_ns = start;
    crew_.release_all();
    for (std::uint64_t next = start + interval; next < end || shift < end;) {
        if (shift < end && shift <= next) {
            sleep_until(shift);
            report_.mark("shift", operations());
            shift = end;
            continue;
        }
        sleep_until(next);
        report_.interval(operations());
        next += interval;
    }
    crew_.await_all();
    const std::uint64_t stop = now();
    report_.interval(operations());
    report_.mark("end", operations());
    std::uint64_t checksum = 0;
    for (const auto& worker : shared_->worker)
        checksum += worker.checksum;
    report_.total(operations(), static_cast<double>(stop - start) / 1e9, checksum);
}

} // namespace

void run(const Settings& settings) {
    Run(settings).all();
}

} // namespace tierload
