// SPDX-License-Identifier: GPL-2.0-or-later
// Marks: an instruction that does nothing, by which a guest's program says where it is.
//
//   asm volatile("nopl 0x54494500 + N(%rax)");   // N from 0 to 255
//
// Anything else is most unlikely to contain it: the seven bytes 0f 1f 80 NN "EIT".
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "qemu_plugin.h"

namespace tiermeter {

// N of an instruction that is a mark.
[[nodiscard]] inline std::optional<std::uint8_t> mark_of(const qemu_plugin_insn* instruction) {
    std::array<std::uint8_t, 7> bytes{};
    if (qemu_plugin_insn_size(instruction) != bytes.size() ||
        qemu_plugin_insn_data(instruction, bytes.data(), bytes.size()) != bytes.size())
        return std::nullopt;
    const std::uint8_t number = bytes[3];
    if (bytes != std::array<std::uint8_t, 7>{0x0f, 0x1f, 0x80, number, 'E', 'I', 'T'})
        return std::nullopt;
    return number;
}

} // namespace tiermeter
