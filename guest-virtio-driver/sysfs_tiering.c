// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sysfs: the folder "tiering" below the virtio device.
 */
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "tiermem.h"

static struct tiermem_tiering *to_tiering(struct device *dev)
{
	struct tiermem *tm = dev_to_virtio(dev)->priv;

	return &tm->tiering;
}

static ssize_t enabled_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", !!READ_ONCE(to_tiering(dev)->thread));
}

static ssize_t enabled_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t size)
{
	struct tiermem *tm = to_tiering(dev)->tm;
	bool on;
	int ret = kstrtobool(buf, &on);

	if (ret)
		return ret;
	if (on)
		ret = tiermem_tiering_start(tm);
	else
		tiermem_tiering_stop(tm);
	return ret ?: size;
}
static DEVICE_ATTR_RW(enabled);

static ssize_t own_kernel_tiering_show(struct device *dev, struct device_attribute *attr,
				       char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_tiering(dev)->own_kernel));
}

static ssize_t own_kernel_tiering_store(struct device *dev, struct device_attribute *attr,
					const char *buf, size_t size)
{
	bool own;
	int ret = kstrtobool(buf, &own);

	return ret ?: tiermem_tiering_own_kernel(to_tiering(dev)->tm, own) ?: size;
}
static DEVICE_ATTR_RW(own_kernel_tiering);

/* Read without the lock: each is one word, and what it counts goes on anyway. */
#define VALUE_ATTR(name, value)							\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr,	\
			   char *buf)						\
{										\
	const struct tiermem_tiering *t = to_tiering(dev);			\
										\
	return sysfs_emit(buf, "%llu\n", (u64)(value));			\
}										\
static DEVICE_ATTR_RO(name)

VALUE_ATTR(spaces, READ_ONCE(t->spaces.nr));
VALUE_ATTR(map_bytes, READ_ONCE(t->spaces.bytes));
VALUE_ATTR(epochs, READ_ONCE(t->epochs));
VALUE_ATTR(promoted, READ_ONCE(t->moved.promoted) << PAGE_SHIFT);
VALUE_ATTR(demoted, READ_ONCE(t->moved.demoted) << PAGE_SHIFT);
VALUE_ATTR(migrated, READ_ONCE(t->moved.migrated) << PAGE_SHIFT);
VALUE_ATTR(idle_demoted, READ_ONCE(t->moved.idle) << PAGE_SHIFT);
VALUE_ATTR(samples_fast, READ_ONCE(t->samples_by_tier[TM_TIER_FAST]));
VALUE_ATTR(samples_slow, READ_ONCE(t->samples_by_tier[TM_TIER_SLOW]));
VALUE_ATTR(uncertain_milli, READ_ONCE(t->result.uncertain_milli));

static ssize_t time_ns_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct tiermem_tiering *t = to_tiering(dev);
	enum tiermem_stage stage;
	ssize_t len = 0;

	for (stage = 0; stage < TIERMEM_STAGES; stage++)
		len += sysfs_emit_at(buf, len, "%s %llu\n", tiermem_stage_name(stage),
				     READ_ONCE(t->stage_ns[stage]));
	return len;
}
static DEVICE_ATTR_RO(time_ns);

static ssize_t outcomes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct tiermem_tiering *t = to_tiering(dev);
	enum tiermem_exchange_outcome outcome;
	ssize_t len = 0;

	for (outcome = 0; outcome < TIERMEM_EXCHANGE_OUTCOMES; outcome++)
		len += sysfs_emit_at(buf, len, "%s %llu\n",
				     tiermem_exchange_outcome_name(outcome),
				     READ_ONCE(t->moved.exchange.pairs[outcome]));
	return len;
}
static DEVICE_ATTR_RO(outcomes);

static ssize_t unmoved_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct tiermem_tiering *t = to_tiering(dev);
	enum tiermem_migrate_refusal refusal;
	ssize_t len = 0;

	for (refusal = TIERMEM_NOT_REFUSED + 1; refusal < TIERMEM_MIGRATE_REFUSALS; refusal++)
		len += sysfs_emit_at(buf, len, "%s %llu\n",
				     tiermem_migrate_refusal_name(refusal),
				     READ_ONCE(t->moved.unmoved[refusal]));
	return len;
}
static DEVICE_ATTR_RO(unmoved);

static struct attribute *tiering_attrs[] = {
	&dev_attr_enabled.attr,
	&dev_attr_own_kernel_tiering.attr,
	&dev_attr_spaces.attr,
	&dev_attr_map_bytes.attr,
	&dev_attr_epochs.attr,
	&dev_attr_promoted.attr,
	&dev_attr_demoted.attr,
	&dev_attr_migrated.attr,
	&dev_attr_idle_demoted.attr,
	&dev_attr_samples_fast.attr,
	&dev_attr_samples_slow.attr,
	&dev_attr_uncertain_milli.attr,
	&dev_attr_time_ns.attr,
	&dev_attr_outcomes.attr,
	&dev_attr_unmoved.attr,
	NULL
};

const struct attribute_group tiermem_tiering_group = {
	.name = "tiering",
	.attrs = tiering_attrs,
};
