// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The wire: configuration space, queues and requests of virtio-tiermem.
 *
 * What the device says is checked before it is used: a device that names memory
 * which the guest does not have is refused at probe, a response that makes no
 * sense ends the tier (TIERMEM_BROKEN).
 */
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include "tiermem.h"
#include "trace.h"

#define REQUEST_TIMEOUT (5 * HZ)

/* ---- Configuration ---- */

/* A little-endian field of up to 8 bytes. */
static u64 read_tier_field(struct tiermem *tm, unsigned int tier, size_t offset,
			   size_t size)
{
	__le64 value = 0;

	virtio_cread_bytes(tm->vdev,
			   offsetof(struct virtio_tiermem_config, tiers[tier]) +
			   offset, &value, size);
	return le64_to_cpu(value);
}

#define read_tier(tm, tier, field)					\
	read_tier_field(tm, tier,					\
			offsetof(struct virtio_tiermem_tier, field),	\
			sizeof_field(struct virtio_tiermem_tier, field))

/* A region must be memory that this kernel manages, all on one node. */
static int read_region(struct tiermem_tier *tier, unsigned int i)
{
	struct device *dev = &tier->tm->vdev->dev;
	u64 addr = read_tier(tier->tm, tier->index, regions[i].addr);
	u64 size = read_tier(tier->tm, tier->index, regions[i].size);
	u64 block = PAGE_SIZE << tier->min_order;
	u64 end;

	if (!size || !IS_ALIGNED(addr | size, block) ||
	    check_add_overflow(addr, size, &end)) {
		dev_err(dev, "tier %u: region %u is not aligned to %llu bytes\n",
			tier->index, i, block);
		return -EINVAL;
	}
	/* The last page: the first may lie in the BIOS hole. */
	if (!pfn_valid(PHYS_PFN(end - 1))) {
		dev_err(dev, "tier %u: region %u at 0x%llx is not memory here\n",
			tier->index, i, addr);
		return -EINVAL;
	}
	if (i == 0)
		tier->nid = pfn_to_nid(PHYS_PFN(end - 1));
	if (pfn_to_nid(PHYS_PFN(end - 1)) != tier->nid) {
		dev_err(dev, "tier %u: regions on nodes %d and %d\n",
			tier->index, tier->nid, pfn_to_nid(PHYS_PFN(end - 1)));
		return -EINVAL;
	}
	tier->regions[i].start_pfn = PHYS_PFN(addr);
	tier->regions[i].end_pfn = PHYS_PFN(end);
	return 0;
}

static int read_tier_geometry(struct tiermem_tier *tier)
{
	struct tiermem *tm = tier->tm;
	struct device *dev = &tm->vdev->dev;
	u64 block_size = read_tier(tm, tier->index, block_size);
	unsigned long pages = 0;
	unsigned int i;
	int ret;

	if (!is_power_of_2(block_size) || block_size < SZ_4K ||
	    block_size > PFN_PHYS(MAX_ORDER_NR_PAGES)) {
		dev_err(dev, "tier %u: cannot surrender blocks of %llu bytes\n",
			tier->index, block_size);
		return -EINVAL;
	}
	tier->min_order = get_order(max_t(u64, block_size, PAGE_SIZE));
	tier->nr_regions = read_tier(tm, tier->index, num_regions);
	if (!tier->nr_regions || tier->nr_regions > VIRTIO_TIERMEM_MAX_REGIONS) {
		dev_err(dev, "tier %u: %u regions\n", tier->index,
			tier->nr_regions);
		return -EINVAL;
	}
	for (i = 0; i < tier->nr_regions; i++) {
		ret = read_region(tier, i);
		if (ret)
			return ret;
		pages += tier->regions[i].end_pfn - tier->regions[i].start_pfn;
	}
	tier->size = PHYS_PFN(read_tier(tm, tier->index, size));
	if (tier->size != pages) {
		dev_err(dev, "tier %u: regions of %lu pages, size of %lu\n",
			tier->index, pages, tier->size);
		return -EINVAL;
	}
	tier->read_latency_ns = read_tier(tm, tier->index, read_latency);
	tier->write_latency_ns = read_tier(tm, tier->index, write_latency);
	tier->read_bandwidth = read_tier(tm, tier->index, read_bandwidth);
	tier->write_bandwidth = read_tier(tm, tier->index, write_bandwidth);
	return 0;
}

static bool tiers_share_node(const struct tiermem *tm)
{
	unsigned int i, k;

	for (i = 0; i < tm->num_tiers; i++)
		for (k = 0; k < i; k++)
			if (tm->tiers[i].nid == tm->tiers[k].nid)
				return true;
	return false;
}

int tiermem_device_read_geometry(struct tiermem *tm)
{
	struct device *dev = &tm->vdev->dev;
	unsigned int i;
	int ret;

	virtio_cread_le(tm->vdev, struct virtio_tiermem_config, num_tiers,
			&tm->num_tiers);
	virtio_cread_le(tm->vdev, struct virtio_tiermem_config, max_ranges,
			&tm->max_ranges);
	if (!tm->num_tiers || tm->num_tiers > VIRTIO_TIERMEM_MAX_TIERS ||
	    !tm->max_ranges || tm->max_ranges > VIRTIO_TIERMEM_MAX_RANGES) {
		dev_err(dev, "%u tiers, %u ranges a request: not supported\n",
			tm->num_tiers, tm->max_ranges);
		return -EINVAL;
	}
	for (i = 0; i < tm->num_tiers; i++) {
		tm->tiers[i].tm = tm;
		tm->tiers[i].index = i;
		ret = read_tier_geometry(&tm->tiers[i]);
		if (ret)
			return ret;
	}
	if (tiers_share_node(tm)) {
		dev_err(dev, "two tiers on one node: boot without numa=off\n");
		return -EINVAL;
	}
	return 0;
}

static void read_qos(struct tiermem *tm, struct tiermem_qos *qos)
{
	struct virtio_device *vdev = tm->vdev;

	virtio_cread_le(vdev, struct virtio_tiermem_config, qos.qos_class,
			&qos->qos_class);
	virtio_cread_le(vdev, struct virtio_tiermem_config, qos.weight,
			&qos->weight);
	virtio_cread_le(vdev, struct virtio_tiermem_config, qos.fast_min,
			&qos->fast_min);
	virtio_cread_le(vdev, struct virtio_tiermem_config,
			qos.migration_bandwidth, &qos->migration_bandwidth);
	virtio_cread_le(vdev, struct virtio_tiermem_config, qos.cpu_budget,
			&qos->cpu_budget);
	virtio_cread_le(vdev, struct virtio_tiermem_config, qos.shrink_deadline,
			&qos->shrink_deadline_ms);
	/* What no device may set would end tiering: the nearest that it may is used. */
	qos->qos_class = min_t(u32, qos->qos_class, VIRTIO_TIERMEM_QOS_BEST_EFFORT);
	qos->cpu_budget = min_t(u32, qos->cpu_budget, VIRTIO_TIERMEM_MAX_CPU_BUDGET);
}

static u32 config_generation(struct virtio_device *vdev)
{
	return vdev->config->generation ? vdev->config->generation(vdev) : 0;
}

void tiermem_device_read_config(struct tiermem *tm)
{
	u64 requested[VIRTIO_TIERMEM_MAX_TIERS];
	struct tiermem_qos qos = { };
	u32 generation;
	unsigned int i;

	do {
		generation = config_generation(tm->vdev);
		for (i = 0; i < tm->num_tiers; i++)
			requested[i] = read_tier(tm, i, requested);
		if (virtio_has_feature(tm->vdev, VIRTIO_TIERMEM_F_QOS))
			read_qos(tm, &qos);
	} while (config_generation(tm->vdev) != generation);

	mutex_lock(&tm->config_lock);
	tm->qos = qos;
	mutex_unlock(&tm->config_lock);
	for (i = 0; i < tm->num_tiers; i++) {
		struct tiermem_tier *tier = &tm->tiers[i];

		WRITE_ONCE(tier->requested,
			   min_t(u64, PHYS_PFN(requested[i]), tier->size));
		trace_tiermem_quota(i, tier->requested,
				    tiermem_reservoir_actual(tier));
	}
}

/* ---- Requests ---- */

static void request_done(struct virtqueue *vq)
{
	struct tiermem *tm = vq->vdev->priv;
	struct tiermem_channel *channel;
	unsigned long flags;
	unsigned int len;

	spin_lock_irqsave(&tm->vq_lock, flags);
	while ((channel = virtqueue_get_buf(vq, &len)))
		complete(&channel->done);
	spin_unlock_irqrestore(&tm->vq_lock, flags);
}

static int send_request(struct tiermem_tier *tier, size_t size)
{
	struct tiermem *tm = tier->tm;
	struct tiermem_channel *channel = &tier->channel;
	struct scatterlist out, in, *sgs[] = { &out, &in };
	int ret;

	sg_init_one(&out, channel->request, size);
	sg_init_one(&in, channel->response, sizeof(*channel->response));
	reinit_completion(&channel->done);
	spin_lock_irq(&tm->vq_lock);
	/* Never enters reclaim: the OOM path comes through here. */
	ret = virtqueue_add_sgs(tm->request_vq, sgs, 1, 1, channel,
				GFP_NOWAIT | __GFP_NOWARN);
	if (!ret)
		virtqueue_kick(tm->request_vq);
	spin_unlock_irq(&tm->vq_lock);
	return ret;
}

static int wait_for_response(struct tiermem_tier *tier)
{
	/* A device that is gone does not answer; a slow one is waited for. */
	while (!wait_for_completion_timeout(&tier->channel.done,
					    REQUEST_TIMEOUT)) {
		if (virtqueue_is_broken(tier->tm->request_vq))
			return -ENODEV;
	}
	return 0;
}

static int status_to_errno(u16 status)
{
	switch (status) {
	case VIRTIO_TIERMEM_S_OK:
		return 0;
	case VIRTIO_TIERMEM_S_QUOTA:
		return -EDQUOT;
	case VIRTIO_TIERMEM_S_BUSY:
		return -EBUSY;
	case VIRTIO_TIERMEM_S_ERROR:
		return -EIO;
	default:
		return -EPROTO;
	}
}

static void fill_request(struct virtio_tiermem_request *request, u16 type,
			 u16 tier, u32 flags, const struct tiermem_batch *batch)
{
	struct virtio_tiermem_range *ranges = (void *)(request + 1);
	unsigned int i;

	request->type = cpu_to_le16(type);
	request->tier = cpu_to_le16(tier);
	request->flags = cpu_to_le32(flags);
	request->num_ranges = cpu_to_le32(batch->nr);
	request->reserved = 0;
	for (i = 0; i < batch->nr; i++) {
		const struct tm_interval *range = &batch->ranges[i];

		ranges[i].addr = cpu_to_le64(PFN_PHYS(range->start));
		ranges[i].size = cpu_to_le64(PFN_PHYS(range->end - range->start));
	}
}

int tiermem_device_request(struct tiermem_tier *tier, u16 type, u32 flags,
			   const struct tiermem_batch *batch, unsigned int *done)
{
	struct tiermem_channel *channel = &tier->channel;
	u16 status;
	u32 wire_done;
	int ret;

	lockdep_assert_held(&tier->lock);
	*done = 0;
	fill_request(channel->request, type, tier->index, flags, batch);
	ret = send_request(tier, sizeof(*channel->request) + batch->nr *
			   sizeof(struct virtio_tiermem_range));
	if (!ret)
		ret = wait_for_response(tier);
	if (ret)
		return ret;
	status = le16_to_cpu(channel->response->status);
	wire_done = le32_to_cpu(channel->response->done_ranges);
	trace_tiermem_request(tier->index, type, flags, batch->nr, batch->pages,
			      status, wire_done);
	ret = status_to_errno(status);
	if (wire_done > batch->nr || (!ret && wire_done != batch->nr))
		return -EBADMSG;
	*done = wire_done;
	return ret;
}

/* ---- Queues ---- */

static int find_queues(struct tiermem *tm)
{
	const bool stats = virtio_has_feature(tm->vdev, VIRTIO_TIERMEM_F_STATS);
	struct virtqueue *vqs[2] = { };
	int ret;
#ifdef TIERMEM_HAVE_VIRTQUEUE_INFO
	struct virtqueue_info info[] = {
		{ "request", request_done },
		{ "stats", tiermem_stats_wanted },
	};

	ret = virtio_find_vqs(tm->vdev, stats ? 2 : 1, vqs, info, NULL);
#else
	vq_callback_t *callbacks[] = { request_done, tiermem_stats_wanted };
	static const char * const names[] = { "request", "stats" };

	ret = virtio_find_vqs(tm->vdev, stats ? 2 : 1, vqs, callbacks, names,
			      NULL);
#endif
	tm->request_vq = vqs[VIRTIO_TIERMEM_VQ_REQUEST];
	tm->stats_vq = vqs[VIRTIO_TIERMEM_VQ_STATS];
	return ret;
}

static void free_channels(struct tiermem *tm)
{
	unsigned int i;

	for (i = 0; i < tm->num_tiers; i++) {
		kfree(tm->tiers[i].channel.request);
		kfree(tm->tiers[i].channel.response);
		tm->tiers[i].channel.request = NULL;
		tm->tiers[i].channel.response = NULL;
	}
}

static int alloc_channels(struct tiermem *tm)
{
	const size_t size = sizeof(struct virtio_tiermem_request) +
			    tm->max_ranges * sizeof(struct virtio_tiermem_range);
	unsigned int i;

	for (i = 0; i < tm->num_tiers; i++) {
		struct tiermem_channel *channel = &tm->tiers[i].channel;

		init_completion(&channel->done);
		channel->request = kzalloc(size, GFP_KERNEL);
		channel->response = kzalloc(sizeof(*channel->response),
					    GFP_KERNEL);
		if (!channel->request || !channel->response) {
			free_channels(tm);
			return -ENOMEM;
		}
	}
	return 0;
}

int tiermem_device_start(struct tiermem *tm)
{
	int ret = alloc_channels(tm);

	if (ret)
		return ret;
	ret = find_queues(tm);
	if (ret)
		free_channels(tm);
	return ret;
}

void tiermem_device_stop(struct tiermem *tm)
{
	virtio_reset_device(tm->vdev);
	tm->vdev->config->del_vqs(tm->vdev);
	tm->request_vq = NULL;
	tm->stats_vq = NULL;
	free_channels(tm);
}
