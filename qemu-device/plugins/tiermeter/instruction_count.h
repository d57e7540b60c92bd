// SPDX-License-Identifier: GPL-2.0-or-later
// Executed guest instructions by vCPU and privilege.
//
// One inline addition per executed translation block, of the block's length. A block that ends
// early by an exception (a page fault) is counted in full, and what is left of it again when it is
// resumed: an excess of a few instructions a fault. An instruction with a repeat prefix counts once
// for each time that QEMU enters it, not once an element. A halted vCPU executes no blocks.
//
// Privilege goes by the block's address: the kernel lives in the upper half, as on every x86-64
// Linux. Firmware and the kernel's first steps in the lower half pass for user instructions.
#pragma once

#include <cstdint>

#include "options.h"
#include "qemu_plugin.h"

namespace tiermeter {

struct Instructions {
    std::uint64_t user;
    std::uint64_t kernel;
    std::uint64_t ranged; // of both, in blocks that begin in the range that was asked for
};

class InstructionCount {
public:
    explicit InstructionCount(AddressRange range);
    ~InstructionCount();
    InstructionCount(const InstructionCount&) = delete;
    InstructionCount& operator=(const InstructionCount&) = delete;

    // To be called for each block as it is translated.
    void instrument(qemu_plugin_tb* block) const;
    // The count so far; from any thread, once all vCPUs are there: a scoreboard that grows moves.
    [[nodiscard]] Instructions of_vcpu(unsigned vcpu) const;

private:
    qemu_plugin_scoreboard* scoreboard_;
    qemu_plugin_u64 user_;
    qemu_plugin_u64 kernel_;
    qemu_plugin_u64 ranged_;
    AddressRange range_;
};

} // namespace tiermeter
