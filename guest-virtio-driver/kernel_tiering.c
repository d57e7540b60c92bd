// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's own ways to move pages between nodes; see kernel_tiering.h.
 */

#include "kernel_symbols.h"
#include "kernel_tiering.h"

/* Of NUMA_BALANCING_*; 0: was off, or is not ours. */
static int balancing_before;
static bool demotion_before;

/* A variable of the kernel, looked up once: in 6.1 that takes milliseconds. */
struct variable {
	const char *name;
	void *address;	/* NULL: this kernel has none */
	bool known;
};

static void *address_of(struct variable *variable)
{
	if (!variable->known)
		variable->address = tiermem_kernel_data(variable->name);
	variable->known = true;
	return variable->address;
}

static int *balancing_mode(void)
{
	static struct variable mode = { .name = "sysctl_numa_balancing_mode" };

	return address_of(&mode);
}

static bool *demotion_enabled(void)
{
	static struct variable enabled = { .name = "numa_demotion_enabled" };

	return address_of(&enabled);
}

void tiermem_kernel_tiering_warn(struct device *dev)
{
	const int *mode = balancing_mode();
	const bool *demotion = demotion_enabled();

	if (mode && READ_ONCE(*mode))
		dev_warn_once(dev, "NUMA balancing moves pages too: write 0 to /proc/sys/kernel/numa_balancing, or 1 to tiering/own_kernel_tiering\n");
	if (demotion && READ_ONCE(*demotion))
		dev_warn_once(dev, "reclaim demotes pages too: write 0 to /sys/kernel/mm/numa/demotion_enabled, or 1 to tiering/own_kernel_tiering\n");
}

int tiermem_kernel_tiering_own(void)
{
	int *mode = balancing_mode();
	bool *demotion = demotion_enabled();

	if (!demotion && (!mode || !tiermem_have_set_numabalancing_state()))
		return -EOPNOTSUPP;
	if (mode && *mode && tiermem_have_set_numabalancing_state()) {
		balancing_before = *mode;
		static_call(tiermem_set_numabalancing_state)(false);
	}
	if (demotion && *demotion) {
		demotion_before = true;
		WRITE_ONCE(*demotion, false);
	}
	return 0;
}

void tiermem_kernel_tiering_release(void)
{
	if (balancing_before) {
		static_call(tiermem_set_numabalancing_state)(true);
		WRITE_ONCE(*balancing_mode(), balancing_before);
	}
	if (demotion_before)
		WRITE_ONCE(*demotion_enabled(), true);
	balancing_before = 0;
	demotion_before = false;
}
