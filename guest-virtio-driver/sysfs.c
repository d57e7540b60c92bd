// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sysfs: a folder for each tier, one for the quality of service and one for the
 * sampler (sysfs_sampler.c), below the virtio device. Documented in Documentation/ABI/testing/sysfs-driver-virtio-tiermem.
 */
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "tiermem.h"

/* One number of a tier: what it is called and how it is computed. */
struct tier_field {
	const char *name;
	u64 (*value)(struct tiermem_tier *tier);
};

static u64 value_node(struct tiermem_tier *tier)
{
	return tier->nid;
}

static u64 value_size(struct tiermem_tier *tier)
{
	return PFN_PHYS(tier->size);
}

static u64 value_requested(struct tiermem_tier *tier)
{
	return PFN_PHYS(READ_ONCE(tier->requested));
}

static u64 value_actual(struct tiermem_tier *tier)
{
	u64 actual;

	mutex_lock(&tier->lock);
	actual = PFN_PHYS(tiermem_reservoir_actual(tier));
	mutex_unlock(&tier->lock);
	return actual;
}

static u64 value_ranges(struct tiermem_tier *tier)
{
	u64 count;

	mutex_lock(&tier->lock);
	count = tm_range_set_count(tier->surrendered);
	mutex_unlock(&tier->lock);
	return count;
}

static u64 value_total(struct tiermem_tier *tier)
{
	return PFN_PHYS(tiermem_managed_pages(tier));
}

static u64 value_free(struct tiermem_tier *tier)
{
	return PFN_PHYS(tiermem_free_pages(tier));
}

static u64 value_reclaimable(struct tiermem_tier *tier)
{
	return PFN_PHYS(tiermem_reclaimable_pages(tier));
}

static u64 value_block_size(struct tiermem_tier *tier)
{
	return PAGE_SIZE << tier->min_order;
}

static u64 value_oom_reclaims(struct tiermem_tier *tier)
{
	return atomic64_read(&tier->oom_reclaims);
}

static u64 value_read_latency(struct tiermem_tier *tier)
{
	return tier->read_latency_ns;
}

static u64 value_write_latency(struct tiermem_tier *tier)
{
	return tier->write_latency_ns;
}

static u64 value_read_bandwidth(struct tiermem_tier *tier)
{
	return tier->read_bandwidth;
}

static u64 value_write_bandwidth(struct tiermem_tier *tier)
{
	return tier->write_bandwidth;
}

static const struct tier_field tier_fields[] = {
	{ "node", value_node },
	{ "size", value_size },
	{ "requested", value_requested },
	{ "actual", value_actual },
	{ "surrendered_ranges", value_ranges },
	{ "total", value_total },
	{ "free", value_free },
	{ "reclaimable", value_reclaimable },
	{ "block_size", value_block_size },
	{ "oom_reclaims", value_oom_reclaims },
	{ "read_latency_ns", value_read_latency },
	{ "write_latency_ns", value_write_latency },
	{ "read_bandwidth", value_read_bandwidth },
	{ "write_bandwidth", value_write_bandwidth },
};

/* An attribute that knows its tier; value is NULL for "state". */
struct tier_attribute {
	struct device_attribute attr;
	struct tiermem_tier *tier;
	const struct tier_field *field;
};

/* What a tier's folder is made of, in one allocation. */
struct tier_group {
	struct attribute_group group;
	char name[8];
	struct tier_attribute attributes[ARRAY_SIZE(tier_fields) + 1];
	struct attribute *list[ARRAY_SIZE(tier_fields) + 2];
};

static ssize_t show_field(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct tier_attribute *a = container_of(attr, struct tier_attribute,
						attr);

	return sysfs_emit(buf, "%llu\n", a->field->value(a->tier));
}

static ssize_t show_state(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct tier_attribute *a = container_of(attr, struct tier_attribute,
						attr);

	return sysfs_emit(buf, "%s\n",
			  tiermem_state_name(READ_ONCE(a->tier->state)));
}

static void fill_attribute(struct tier_group *group, unsigned int i,
			   struct tiermem_tier *tier,
			   const struct tier_field *field)
{
	struct tier_attribute *a = &group->attributes[i];

	a->tier = tier;
	a->field = field;
	sysfs_attr_init(&a->attr.attr);
	a->attr.attr.name = field ? field->name : "state";
	a->attr.attr.mode = 0444;
	a->attr.show = field ? show_field : show_state;
	group->list[i] = &a->attr.attr;
}

static int add_tier(struct tiermem_tier *tier)
{
	struct tier_group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	unsigned int i;
	int ret;

	if (!group)
		return -ENOMEM;
	snprintf(group->name, sizeof(group->name), "tier%u", tier->index);
	for (i = 0; i < ARRAY_SIZE(tier_fields); i++)
		fill_attribute(group, i, tier, &tier_fields[i]);
	fill_attribute(group, i, tier, NULL);
	group->group.name = group->name;
	group->group.attrs = group->list;
	ret = device_add_group(&tier->tm->vdev->dev, &group->group);
	if (ret)
		kfree(group);
	else
		tier->sysfs_group = &group->group;
	return ret;
}

static void remove_tier(struct tiermem_tier *tier)
{
	if (!tier->sysfs_group)
		return;
	device_remove_group(&tier->tm->vdev->dev, tier->sysfs_group);
	kfree(container_of(tier->sysfs_group, struct tier_group, group));
	tier->sysfs_group = NULL;
}

/* ---- Quality of service ---- */

#define as_it_is(value) (value)

#define QOS_ATTR(field, format, convert)				\
static ssize_t field##_show(struct device *dev,			\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct tiermem *tm = dev_to_virtio(dev)->priv;			\
	struct tiermem_qos qos;						\
									\
	mutex_lock(&tm->config_lock);					\
	qos = tm->qos;							\
	mutex_unlock(&tm->config_lock);					\
	return sysfs_emit(buf, format "\n", convert(qos.field));	\
}									\
static DEVICE_ATTR_RO(field)

static const char *class_name(u32 qos_class)
{
	switch (qos_class) {
	case VIRTIO_TIERMEM_QOS_GUARANTEED:
		return "guaranteed";
	case VIRTIO_TIERMEM_QOS_BURSTABLE:
		return "burstable";
	case VIRTIO_TIERMEM_QOS_BEST_EFFORT:
		return "best-effort";
	default:
		return "unknown";
	}
}

QOS_ATTR(qos_class, "%s", class_name);
QOS_ATTR(weight, "%u", as_it_is);
QOS_ATTR(fast_min, "%llu", as_it_is);
QOS_ATTR(migration_bandwidth, "%llu", as_it_is);
QOS_ATTR(cpu_budget, "%u", as_it_is);
QOS_ATTR(shrink_deadline_ms, "%u", as_it_is);

static struct attribute *qos_attrs[] = {
	&dev_attr_qos_class.attr,
	&dev_attr_weight.attr,
	&dev_attr_fast_min.attr,
	&dev_attr_migration_bandwidth.attr,
	&dev_attr_cpu_budget.attr,
	&dev_attr_shrink_deadline_ms.attr,
	NULL
};

static const struct attribute_group qos_group = {
	.name = "qos",
	.attrs = qos_attrs,
};

static const struct attribute_group *groups[] = {
	&qos_group,
	&tiermem_sampler_group,
	&tiermem_tiering_group,
	NULL
};

int tiermem_sysfs_add(struct tiermem *tm)
{
	unsigned int i;
	int ret;

	ret = device_add_groups(&tm->vdev->dev, groups);
	if (ret)
		return ret;
	for (i = 0; i < tm->num_tiers; i++) {
		ret = add_tier(&tm->tiers[i]);
		if (ret) {
			tiermem_sysfs_remove(tm);
			return ret;
		}
	}
	return 0;
}

void tiermem_sysfs_remove(struct tiermem *tm)
{
	unsigned int i;

	for (i = 0; i < tm->num_tiers; i++)
		remove_tier(&tm->tiers[i]);
	device_remove_groups(&tm->vdev->dev, groups);
}
