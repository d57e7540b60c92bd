// SPDX-License-Identifier: GPL-2.0-or-later
// QEMU's headers for plugins, for C++: they say nothing about linkage, and GLib's header, which one
// of them includes, must not be read as C.
#pragma once

#include <glib.h>

extern "C" {
#include "hw/i386/x86-memory-model.h"
#include "qemu-plugin.h"
#include "qemu/plugin-meter.h"
}
