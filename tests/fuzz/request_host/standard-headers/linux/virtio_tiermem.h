/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where QEMU's tree has a copy of the wire format, the fuzzer has the original. */
#include "../../../../../spec/virtio_tiermem.h"
