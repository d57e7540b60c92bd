// SPDX-License-Identifier: GPL-2.0-or-later
// look.h - the state of a machine as far as sharing memory is concerned
#pragma once

#include "machines/device.h"

namespace tiermemctl {

struct View { // NOLINT(bugprone-exception-escape): as Device
    Device device;
    std::string status;     // of query-status: running, paused, inmigrate, ...
    bool migrating = false; // it is being moved away, or saved
};

// Asks a machine three things, one after the other; the memory last, as it changes fastest.
// `limit`: for each.
void look(const MachinePtr& machine, std::chrono::milliseconds limit,
          const std::function<void(const Outcome<View>&)>& done);

} // namespace tiermemctl
