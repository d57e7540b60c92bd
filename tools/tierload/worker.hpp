// SPDX-License-Identifier: GPL-2.0-or-later
// worker.hpp - a member of the party at work, in a process of its own.
#ifndef TIERLOAD_WORKER_HPP
#define TIERLOAD_WORKER_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "party.hpp"
#include "placement.hpp"
#include "settings.hpp"

namespace tierload {

constexpr unsigned workers_max = 64;

// Memory that the workers share with the process that has started them.
struct Shared {
    std::uint64_t start_ns; // written before the workers are let go
    struct alignas(64) {
        std::atomic<std::uint64_t> operations;
        std::uint64_t checksum; // written before the worker says that it has finished
    } worker[workers_max];
};

class Worker {
public:
    Worker(const Settings& settings, Party& party, Placement& placement, Shared& shared,
           unsigned number);

    // Touches the memory and builds what is in it.
    void prepare();

    // Works from the shared start on until the time is over. The heat moves when its time has come.
    void work();

private:
    void grow(double progress);
    void shift(double progress);

    const Settings& settings_;
    Party& party_;
    Placement& placement_;
    Shared& shared_;
    unsigned number_;
    Member& me_;
    std::size_t extent_ = 0; // bytes that are touched
    bool shifted_ = false;
};

} // namespace tierload

#endif
