// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sysfs: the folder "sampler" below the virtio device.
 */
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "tiermem.h"

static struct tiermem_sampler *to_sampler(struct device *dev)
{
	struct tiermem *tm = dev_to_virtio(dev)->priv;

	return &tm->sampler;
}

static ssize_t enabled_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n", !!READ_ONCE(to_sampler(dev)->source));
}

static ssize_t enabled_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t size)
{
	struct tiermem_sampler *sampler = to_sampler(dev);
	bool on;
	int ret = kstrtobool(buf, &on);

	if (ret)
		return ret;
	if (on)
		ret = tiermem_sampler_start(sampler);
	else
		tiermem_sampler_stop(sampler);
	return ret ?: size;
}
static DEVICE_ATTR_RW(enabled);

static ssize_t source_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct tiermem_sampler *sampler = to_sampler(dev);
	ssize_t len;

	mutex_lock(&sampler->lock);
	len = sysfs_emit(buf, "%s\n", sampler->source ? sampler->source->name :
						       "none");
	mutex_unlock(&sampler->lock);
	return len;
}
static DEVICE_ATTR_RO(source);

static ssize_t reasons_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct tiermem_sampler *sampler = to_sampler(dev);
	ssize_t len = 0;
	unsigned int i;

	mutex_lock(&sampler->lock);
	for (i = 0; i < TIERMEM_NR_SOURCES; i++)
		if (sampler->reasons[i][0])
			len += sysfs_emit_at(buf, len, "%s: %s\n",
					     tiermem_sampler_source_name(i),
					     sampler->reasons[i]);
	mutex_unlock(&sampler->lock);
	return len;
}
static DEVICE_ATTR_RO(reasons);

static ssize_t event_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  tiermem_event_name(READ_ONCE(to_sampler(dev)->event)));
}

static ssize_t event_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t size)
{
	unsigned int event;
	int ret = -EINVAL;

	for (event = 0; event < TIERMEM_NR_EVENTS; event++)
		if (sysfs_streq(buf, tiermem_event_name(event)))
			ret = tiermem_sampler_set_event(to_sampler(dev), event);
	return ret ?: size;
}
static DEVICE_ATTR_RW(event);

static ssize_t period_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(to_sampler(dev)->wanted_period));
}

static ssize_t period_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t size)
{
	u32 period;

	/* Out of any range is out of this one. */
	if (kstrtou32(buf, 0, &period))
		return -EINVAL;
	return tiermem_sampler_set_period(to_sampler(dev), period) ?: size;
}
static DEVICE_ATTR_RW(period);

static ssize_t period_in_force_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_sampler(dev)->period));
}
static DEVICE_ATTR_RO(period_in_force);

#define COUNTER_ATTR(field)						\
static ssize_t field##_show(struct device *dev,			\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct tiermem_sampler_stats stats;				\
									\
	tiermem_sampler_stats(to_sampler(dev), &stats);			\
	return sysfs_emit(buf, "%llu\n", stats.field);			\
}									\
static DEVICE_ATTR_RO(field)

COUNTER_ATTR(records);
COUNTER_ATTR(lost_ring);
COUNTER_ATTR(lost_source);
COUNTER_ATTR(foreign);
COUNTER_ATTR(drains);
COUNTER_ATTR(wakes);
COUNTER_ATTR(time_ns);
COUNTER_ATTR(flushes);
COUNTER_ATTR(ptes);

static struct attribute *sampler_attrs[] = {
	&dev_attr_enabled.attr,
	&dev_attr_source.attr,
	&dev_attr_reasons.attr,
	&dev_attr_event.attr,
	&dev_attr_period.attr,
	&dev_attr_period_in_force.attr,
	&dev_attr_records.attr,
	&dev_attr_lost_ring.attr,
	&dev_attr_lost_source.attr,
	&dev_attr_foreign.attr,
	&dev_attr_drains.attr,
	&dev_attr_wakes.attr,
	&dev_attr_time_ns.attr,
	&dev_attr_flushes.attr,
	&dev_attr_ptes.attr,
	NULL
};

const struct attribute_group tiermem_sampler_group = {
	.name = "sampler",
	.attrs = sampler_attrs,
};
