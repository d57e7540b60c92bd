// SPDX-License-Identifier: GPL-2.0-or-later
// QEMU's plugin interface for C++: qemu-plugin.h says nothing about linkage, and GLib's header,
// which it includes, must not be read as C.
#pragma once

#include <glib.h>

extern "C" {
#include "qemu-plugin.h"
}
