/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte order as QEMU's qemu/bswap.h names it. */
#ifndef REQUEST_HOST_BSWAP_H
#define REQUEST_HOST_BSWAP_H

#include <endian.h>

#define le16_to_cpu le16toh
#define le32_to_cpu le32toh
#define le64_to_cpu le64toh

#endif
