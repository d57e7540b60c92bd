// SPDX-License-Identifier: GPL-2.0-or-later
// The counts in a file that others map and read while the guest runs.
//
//   offset  0  u64 magic "TIERMETR"    8  u32 version    12  u32 vCPUs
//          16  u64 refreshes: how many have been completed
//          24  for each vCPU: u64 user instructions, u64 kernel instructions, u64 those in the
//          range
//
// All in the host's byte order. Each number is whole at any time; to see counts that are not older
// than now, wait until `refreshes` has grown by two (the next one may have begun already).
// tests/bench/tiermeter.py reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "instruction_count.h"

namespace tiermeter {

class PublishedCounts {
public:
    // Creates or overwrites the file. Throws std::system_error that names it.
    PublishedCounts(const std::string& path, unsigned vcpus);
    ~PublishedCounts();
    PublishedCounts(const PublishedCounts&) = delete;
    PublishedCounts& operator=(const PublishedCounts&) = delete;

    // Writes all counts. One thread at a time.
    void refresh(const InstructionCount& count);

private:
    struct Layout;
    std::size_t size_;
    unsigned vcpus_;
    Layout* layout_;
};

} // namespace tiermeter
