// SPDX-License-Identifier: GPL-2.0-or-later
#include "instruction_count.h"

#include <cstddef>

namespace tiermeter {
namespace {

constexpr std::uint64_t upper_half = std::uint64_t{1} << 63;

} // namespace

InstructionCount::InstructionCount(AddressRange range)
    : scoreboard_(qemu_plugin_scoreboard_new(sizeof(Instructions))), user_{.score = scoreboard_,
                                                                           .offset = offsetof(
                                                                               Instructions, user)},
      kernel_{.score = scoreboard_, .offset = offsetof(Instructions, kernel)},
      ranged_{.score = scoreboard_, .offset = offsetof(Instructions, ranged)}, range_(range) {}

InstructionCount::~InstructionCount() {
    qemu_plugin_scoreboard_free(scoreboard_);
}

void InstructionCount::instrument(qemu_plugin_tb* block) const {
    const auto address = qemu_plugin_tb_vaddr(block);
    const auto count = [block](const qemu_plugin_u64& counter) {
        qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, QEMU_PLUGIN_INLINE_ADD_U64,
                                                          counter, qemu_plugin_tb_n_insns(block));
    };
    count(address >= upper_half ? kernel_ : user_);
    if (address >= range_.first && address < range_.end)
        count(ranged_);
}

Instructions InstructionCount::of_vcpu(unsigned vcpu) const {
    return {qemu_plugin_u64_get(user_, vcpu), qemu_plugin_u64_get(kernel_, vcpu),
            qemu_plugin_u64_get(ranged_, vcpu)};
}

} // namespace tiermeter
