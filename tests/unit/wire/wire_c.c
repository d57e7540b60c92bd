/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire_c.h"

#include "virtio_tiermem.h"

const size_t wire_c_sizes[] = {
	sizeof(struct virtio_tiermem_region),
	sizeof(struct virtio_tiermem_tier),
	sizeof(struct virtio_tiermem_qos),
	sizeof(struct virtio_tiermem_config),
	sizeof(struct virtio_tiermem_range),
	sizeof(struct virtio_tiermem_request),
	sizeof(struct virtio_tiermem_response),
	sizeof(struct virtio_tiermem_stat),
};

const size_t wire_c_count = sizeof(wire_c_sizes) / sizeof(wire_c_sizes[0]);
