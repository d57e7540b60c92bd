// SPDX-License-Identifier: GPL-2.0-or-later
// workload.hpp - a program's way of accessing memory, with what an oracle knows about it.
#ifndef TIERLOAD_WORKLOAD_HPP
#define TIERLOAD_WORKLOAD_HPP

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "area.hpp"
#include "settings.hpp"

namespace tierload {

class Workload {
public:
    virtual ~Workload() = default;

    // Writes what the workload needs to find in its memory, which has been touched.
    virtual void build() {}

    // Does so many operations.
    virtual void run(std::uint64_t operations) = 0;

    // Bytes in use at a share of the run (0 to 1), a multiple of 2 MiB: more as time goes by where
    // a workload grows. Until begin_extent() is called with it, memory beyond is not touched.
    [[nodiscard]] virtual std::size_t extent_at(double /*progress*/) const { return memory_.size; }
    virtual void begin_extent(std::size_t /*bytes*/) {}

    // Whether heat moves, once; shift() moves it.
    [[nodiscard]] virtual bool shifts() const { return false; }
    virtual void shift() {}

    // Adds the share of accesses of each page of the workload's memory, 1 together, for `extent`
    // bytes in use, before or after the shift.
    virtual void heat(std::span<float> pages, std::size_t extent, bool shifted) const = 0;

    // Depends on all that was read, so that no read can be left out by the compiler.
    [[nodiscard]] std::uint64_t checksum() const { return checksum_; }

protected:
    explicit Workload(Slice memory) : memory_(memory) {}

    Slice memory_;
    std::uint64_t checksum_ = 0;
};

struct WorkloadInfo {
    const char* name;
    const char* what;
    const char* operation; // what one is
    bool several;          // processes: each runs one of these in its part of the memory
    std::unique_ptr<Workload> (*make)(Slice, const Settings&);
};

// All workloads in the order in which they are shown.
std::span<const WorkloadInfo> workload_list();

// nullptr when there is none of that name.
const WorkloadInfo* find_workload(const std::string& name);

} // namespace tierload

#endif
