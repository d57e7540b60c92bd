// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio-tiermem: tiers of guest memory whose sizes the host changes at run time
 *
 * Modes of operation:
 *  - The host sets a quota for each tier (a NUMA node). The driver surrenders
 *    free pages until the quota is met and takes them back when it grows.
 *  - When the guest is out of memory and the host allows it, the driver takes
 *    pages back beyond the quota rather than let a process be killed.
 *  - Removal, suspend, reboot and kexec reset the device, which gives all
 *    memory back.
 *
 * No parameter and no process id: it manages all memory of its tiers.
 */
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include "kernel_symbols.h"
#include "tiermem.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static void destroy_reservoirs(struct tiermem *tm)
{
	unsigned int i;

	for (i = 0; i < tm->num_tiers; i++)
		tiermem_reservoir_destroy(&tm->tiers[i]);
}

static int init_reservoirs(struct tiermem *tm)
{
	unsigned int i;
	int ret;

	for (i = 0; i < tm->num_tiers; i++) {
		ret = tiermem_reservoir_init(&tm->tiers[i]);
		if (ret) {
			while (i--)
				tiermem_reservoir_destroy(&tm->tiers[i]);
			return ret;
		}
	}
	return 0;
}

/* From a device that was reset to one that works towards its quotas. */
static int start(struct tiermem *tm)
{
	int ret = tiermem_device_start(tm);

	if (ret)
		return ret;
	virtio_device_ready(tm->vdev);
	ret = tiermem_governor_start(tm);
	if (ret) {
		tiermem_device_stop(tm);
		return ret;
	}
	tiermem_stats_start(tm);
	return 0;
}

/* A machine that is not tiered is still one with quotas. */
static void start_tiering(struct tiermem *tm)
{
	int ret = tiermem_tiering_start(tm);

	if (ret)
		dev_warn(&tm->vdev->dev, "pages are not moved between tiers (%d)\n", ret);
}

/* Without it a shrink would take what is hot: first of all, that ends. */
static void stop_tiering(struct tiermem *tm)
{
	tiermem_governor_halt(tm);
	tiermem_tiering_stop(tm);
}

/* Back to a reset device; all pages are the kernel's again. */
static void stop(struct tiermem *tm)
{
	unsigned int i;

	tiermem_governor_stop(tm);
	tiermem_stats_stop(tm);
	tiermem_device_stop(tm);
	/* Once more: a callback may have raced with the first time. */
	cancel_work_sync(&tm->config_work);
	tiermem_stats_stop(tm);
	for (i = 0; i < tm->num_tiers; i++)
		tiermem_reservoir_release_all(&tm->tiers[i]);
}

static void report(const struct tiermem *tm)
{
	unsigned int i;

	for (i = 0; i < tm->num_tiers; i++) {
		const struct tiermem_tier *tier = &tm->tiers[i];

		dev_info(&tm->vdev->dev,
			 "tier %u: node %d, %llu MiB of %llu MiB, quota %llu MiB\n",
			 i, tier->nid,
			 (u64)PFN_PHYS(tiermem_reservoir_actual(tier)) >> 20,
			 (u64)PFN_PHYS(tier->size) >> 20,
			 (u64)PFN_PHYS(tier->requested) >> 20);
	}
}

static int setup(struct tiermem *tm)
{
	int ret = tiermem_device_read_geometry(tm);

	if (ret)
		return ret;
	ret = tiermem_governor_init(tm);
	if (ret)
		return ret;
	ret = init_reservoirs(tm);
	if (ret)
		goto err_governor;
	ret = tiermem_stats_init(tm);
	if (ret)
		goto err_reservoirs;
	ret = tiermem_sampler_init(&tm->sampler);
	if (ret)
		goto err_stats;
	ret = start(tm);
	if (ret)
		goto err_sampler;
	ret = tiermem_sysfs_add(tm);
	if (ret)
		goto err_start;
	tiermem_debugfs_add(tm);
	return 0;

err_start:
	stop(tm);
err_sampler:
	tiermem_sampler_destroy(&tm->sampler);
err_stats:
	tiermem_stats_destroy(tm);
err_reservoirs:
	destroy_reservoirs(tm);
err_governor:
	tiermem_governor_destroy(tm);
	return ret;
}

/*
 * Reboot and kexec: the next kernel must find all its memory, and a device that
 * does not write to rings which are gone. Not every kernel's virtio bus resets
 * its devices at shutdown, and one that does refuses a shutdown of the driver.
 */
static int tiermem_reboot(struct notifier_block *nb, unsigned long action,
			  void *data)
{
	struct tiermem *tm = container_of(nb, struct tiermem, reboot_nb);

	stop_tiering(tm);
	tiermem_governor_stop(tm);
	tiermem_stats_stop(tm);
	virtio_reset_device(tm->vdev);
	return NOTIFY_DONE;
}

static int bind(struct virtio_device *vdev)
{
	struct tiermem *tm = kzalloc(sizeof(*tm), GFP_KERNEL);
	int ret;

	if (!tm)
		return -ENOMEM;
	refcount_set(&tm->holders, 1);
	tm->vdev = vdev;
	vdev->priv = tm;
	spin_lock_init(&tm->vq_lock);
	tiermem_tiering_init(tm);
	ret = setup(tm);
	if (ret) {
		vdev->priv = NULL;
		tiermem_put(tm);
		return ret;
	}
	start_tiering(tm);
	report(tm);
	tm->reboot_nb.notifier_call = tiermem_reboot;
	register_reboot_notifier(&tm->reboot_nb);
	return 0;
}

/*
 * Bit 0: there is a device. Samplers, CPU hotplug callbacks and the kernel's own tiering
 * are the machine's and kept in static variables, for one device.
 */
static unsigned long bound;

static int tiermem_probe(struct virtio_device *vdev)
{
	int ret;

	if (test_and_set_bit(0, &bound)) {
		dev_err(&vdev->dev, "the driver serves one device in a machine: remove this one\n");
		return -EBUSY;
	}
	ret = bind(vdev);
	if (ret)
		clear_bit(0, &bound);
	return ret;
}

static void tiermem_remove(struct virtio_device *vdev)
{
	struct tiermem *tm = vdev->priv;

	unregister_reboot_notifier(&tm->reboot_nb);
	/* The removal waits for who reads at this moment. */
	WRITE_ONCE(tm->gone, true);
	tiermem_debugfs_remove(tm);
	tiermem_sysfs_remove(tm);
	stop_tiering(tm);
	tiermem_sampler_destroy(&tm->sampler);
	stop(tm);
	tiermem_stats_destroy(tm);
	destroy_reservoirs(tm);
	tiermem_governor_destroy(tm);
	vdev->priv = NULL;
	tiermem_put(tm);
	clear_bit(0, &bound);
}

static void tiermem_config_changed(struct virtio_device *vdev)
{
	tiermem_governor_config_changed(vdev->priv);
}

#ifdef CONFIG_PM_SLEEP
static int tiermem_freeze(struct virtio_device *vdev)
{
	struct tiermem *tm = vdev->priv;

	tm->tiering_at_freeze = READ_ONCE(tm->tiering.thread);
	stop_tiering(tm);
	tm->sampling_at_freeze = READ_ONCE(tm->sampler.source);
	tiermem_sampler_stop(&tm->sampler);
	stop(tm);
	return 0;
}

static int tiermem_restore(struct virtio_device *vdev)
{
	struct tiermem *tm = vdev->priv;
	int ret;

	/* A machine without samples is still one with quotas. */
	if (tm->sampling_at_freeze && tiermem_sampler_start(&tm->sampler))
		dev_warn(&vdev->dev, "sampling did not start again\n");
	ret = start(tm);
	if (!ret && tm->tiering_at_freeze)
		start_tiering(tm);
	return ret;
}
#endif

static const unsigned int tiermem_features[] = {
	VIRTIO_TIERMEM_F_STATS,
	VIRTIO_TIERMEM_F_RECLAIM_ON_OOM,
	VIRTIO_TIERMEM_F_QOS,
};

static const struct virtio_device_id tiermem_ids[] = {
	{ VIRTIO_ID_TIERMEM, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, tiermem_ids);

static struct virtio_driver tiermem_driver = {
	.feature_table = tiermem_features,
	.feature_table_size = ARRAY_SIZE(tiermem_features),
	.driver.name = "virtio_tiermem",
	.driver.owner = THIS_MODULE,
	.id_table = tiermem_ids,
	.probe = tiermem_probe,
	.remove = tiermem_remove,
	.config_changed = tiermem_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = tiermem_freeze,
	.restore = tiermem_restore,
#endif
};

static int __init tiermem_init(void)
{
	int ret = tiermem_symbols_init();

	if (ret)
		pr_info("virtio_tiermem: no kernel symbols (%d); using the plain allocator\n",
			ret);
	return register_virtio_driver(&tiermem_driver);
}

static void __exit tiermem_exit(void)
{
	unregister_virtio_driver(&tiermem_driver);
}

module_init(tiermem_init);
module_exit(tiermem_exit);

MODULE_DESCRIPTION("Tiers of guest memory, resized by the host at run time");
MODULE_LICENSE("GPL");
