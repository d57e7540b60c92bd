/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: a machine's memory tiers with quotas that change at run time
 *
 * The device provisions only: it tells the guest how much of each tier it may
 * use and which service it gets, takes back the memory that the guest
 * surrenders, and reports. The guest decides what lies where. See
 * docs/system/devices/virtio-tiermem.rst, and spec/virtio-tiermem.md of the
 * virtio-tiermem project for the protocol.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-tiermem.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-tiermem.h"
#include "migration/misc.h"
#include "migration/client-options.h"
#include "migration/vmstate.h"
#include "trace.h"

#define VIRTIO_TIERMEM_REQUEST_QUEUE_SIZE 128
#define VIRTIO_TIERMEM_STATS_QUEUE_SIZE 16
#define VIRTIO_TIERMEM_MAX_REQUEST \
    (sizeof(struct virtio_tiermem_request) + \
     VIRTIO_TIERMEM_MAX_RANGES * sizeof(struct virtio_tiermem_range))
/* Permille of one CPU that a guest may spend unless the host says otherwise. */
#define VIRTIO_TIERMEM_DEFAULT_CPU_BUDGET 50
#define VIRTIO_TIERMEM_DEFAULT_WEIGHT 100

static const char *const node_props[VIRTIO_TIERMEM_NUM_TIERS] = {
    VIRTIO_TIERMEM_FAST_NODE_PROP, VIRTIO_TIERMEM_SLOW_NODE_PROP,
};
static const char *const quota_props[VIRTIO_TIERMEM_NUM_TIERS] = {
    VIRTIO_TIERMEM_FAST_QUOTA_PROP, VIRTIO_TIERMEM_SLOW_QUOTA_PROP,
};

const char *virtio_tiermem_node_prop(unsigned tier)
{
    return node_props[tier];
}

const char *virtio_tiermem_quota_prop(unsigned tier)
{
    return quota_props[tier];
}

const char *virtio_tiermem_id(VirtIOTiermem *s)
{
    /* With a bus proxy, the user gave the id to the proxy. */
    DeviceState *proxy = DEVICE(s)->parent_bus ?
                         DEVICE(s)->parent_bus->parent : NULL;

    if (DEVICE(s)->id) {
        return DEVICE(s)->id;
    }
    return proxy && proxy->id ? proxy->id : "";
}

bool virtio_tiermem_driver_ready(VirtIOTiermem *s)
{
    return VIRTIO_DEVICE(s)->status & VIRTIO_CONFIG_S_DRIVER_OK;
}

static void virtio_tiermem_send_quota_change(VirtIOTiermem *s, unsigned tier)
{
    qapi_event_send_tiermem_quota_change(virtio_tiermem_id(s), tier,
        s->tiers[tier].requested,
        virtio_tiermem_set_actual(&s->tiers[tier].set));
}

static void virtio_tiermem_guest_error(VirtIOTiermem *s, const char *reason)
{
    trace_virtio_tiermem_guest_error(reason);
    qapi_event_send_tiermem_guest_error(virtio_tiermem_id(s), reason);
}

/* ---- Requests ---- */

static const char *virtio_tiermem_status_text(uint16_t status)
{
    static const char *const texts[] = {
        [VIRTIO_TIERMEM_S_OK] = "ok",
        [VIRTIO_TIERMEM_S_INVALID_REQUEST] = "malformed request",
        [VIRTIO_TIERMEM_S_INVALID_TIER] = "no such tier",
        [VIRTIO_TIERMEM_S_INVALID_RANGE] = "range outside of the tier",
        [VIRTIO_TIERMEM_S_CONFLICT] = "range in the wrong state",
        [VIRTIO_TIERMEM_S_QUOTA] = "reclaim beyond the quota",
        [VIRTIO_TIERMEM_S_BUSY] = "host cannot discard memory now",
        [VIRTIO_TIERMEM_S_ERROR] = "host failed to discard memory",
    };

    return texts[status];
}

/* Statuses that only a broken or hostile driver sees. */
static bool virtio_tiermem_status_is_guest_error(uint16_t status)
{
    return status >= VIRTIO_TIERMEM_S_INVALID_REQUEST &&
           status <= VIRTIO_TIERMEM_S_CONFLICT;
}

/* Discard what a surrender claimed; unclaim what could not be discarded. */
static uint16_t virtio_tiermem_carry_out_surrender(VirtIOTiermemTier *tier,
                                                   VirtIOTiermemRequest *req,
                                                   uint32_t *done)
{
    uint64_t offset, size;

    for (*done = 0; *done < req->num_ranges; ++*done) {
        virtio_tiermem_set_locate(&tier->set, &req->ranges[*done], &offset,
                                  &size);
        if (virtio_tiermem_tier_discard(tier, offset, size)) {
            virtio_tiermem_set_unclaim(&tier->set, req, *done);
            return VIRTIO_TIERMEM_S_ERROR;
        }
    }
    return VIRTIO_TIERMEM_S_OK;
}

static uint16_t virtio_tiermem_act(VirtIOTiermem *s, VirtIOTiermemRequest *req,
                                   uint32_t *done)
{
    VirtIOTiermemTier *tier = &s->tiers[req->tier];
    const bool oom = req->flags & VIRTIO_TIERMEM_REQ_F_OOM;
    uint16_t status;

    status = virtio_tiermem_set_claim(&tier->set, req,
                                      oom ? UINT64_MAX : tier->requested);
    if (status) {
        return status;
    }
    if (req->type == VIRTIO_TIERMEM_REQ_SURRENDER) {
        if (!virtio_tiermem_discard_possible()) {
            virtio_tiermem_set_unclaim(&tier->set, req, 0);
            return VIRTIO_TIERMEM_S_BUSY;
        }
        return virtio_tiermem_carry_out_surrender(tier, req, done);
    }
    /* Reclaimed memory comes back when the guest touches it. */
    *done = req->num_ranges;
    if (oom) {
        qapi_event_send_tiermem_guest_oom(virtio_tiermem_id(s), req->tier,
            tier->requested, virtio_tiermem_set_actual(&tier->set));
    }
    return VIRTIO_TIERMEM_S_OK;
}

static void virtio_tiermem_process(VirtIOTiermem *s, const void *buf,
                                   size_t len,
                                   struct virtio_tiermem_response *resp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);
    VirtIOTiermemRequest req = { };
    uint32_t done = 0;
    uint16_t status;
    uint64_t actual = 0;

    status = virtio_tiermem_request_parse(buf, len, VIRTIO_TIERMEM_MAX_RANGES,
        virtio_vdev_has_feature(vdev, VIRTIO_TIERMEM_F_RECLAIM_ON_OOM), &req);
    if (!status && req.tier >= VIRTIO_TIERMEM_NUM_TIERS) {
        status = VIRTIO_TIERMEM_S_INVALID_TIER;
    }
    if (!status) {
        status = virtio_tiermem_act(s, &req, &done);
        actual = virtio_tiermem_set_actual(&s->tiers[req.tier].set);
    }
    if (done) {
        virtio_tiermem_send_quota_change(s, req.tier);
    }
    if (virtio_tiermem_status_is_guest_error(status)) {
        virtio_tiermem_guest_error(s, virtio_tiermem_status_text(status));
    }
    trace_virtio_tiermem_request(req.type, req.tier, req.flags, req.num_ranges,
                                 done, virtio_tiermem_status_text(status));
    *resp = (struct virtio_tiermem_response) {
        .status = cpu_to_le16(status),
        .done_ranges = cpu_to_le32(done),
        .actual = cpu_to_le64(actual),
    };
}

/* Returns false once the device is broken and the queue must be left alone. */
static bool virtio_tiermem_handle_element(VirtIOTiermem *s, VirtQueue *vq,
                                          VirtQueueElement *elem)
{
    const size_t out_len = iov_size(elem->out_sg, elem->out_num);
    struct virtio_tiermem_response resp;

    if (iov_size(elem->in_sg, elem->in_num) < sizeof(resp)) {
        virtio_tiermem_guest_error(s, "no room for a response");
        virtio_error(VIRTIO_DEVICE(s),
                     "virtio-tiermem: request without room for a response");
        virtqueue_detach_element(vq, elem, 0);
        return false;
    }
    /* A longer one is malformed whatever it holds: do not even copy it. */
    if (out_len <= VIRTIO_TIERMEM_MAX_REQUEST) {
        iov_to_buf(elem->out_sg, elem->out_num, 0, s->request_buf, out_len);
        virtio_tiermem_process(s, s->request_buf, out_len, &resp);
    } else {
        virtio_tiermem_process(s, NULL, 0, &resp);
    }
    iov_from_buf(elem->in_sg, elem->in_num, 0, &resp, sizeof(resp));
    virtqueue_push(vq, elem, sizeof(resp));
    return true;
}

static void virtio_tiermem_handle_request(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOTiermem *s = VIRTIO_TIERMEM(vdev);
    VirtQueueElement *elem;
    bool ok = true;

    if (!virtio_tiermem_driver_ready(s)) {
        return;
    }
    while (ok && (elem = virtqueue_pop(vq, sizeof(*elem)))) {
        ok = virtio_tiermem_handle_element(s, vq, elem);
        g_free(elem);
    }
    virtio_notify(vdev, vq);
}

/* ---- Statistics ---- */

static void virtio_tiermem_drop_stats_elem(VirtIOTiermem *s)
{
    if (s->stats_elem) {
        virtqueue_detach_element(s->stats_vq, s->stats_elem, 0);
        g_free(s->stats_elem);
        s->stats_elem = NULL;
    }
}

static void virtio_tiermem_handle_stats(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOTiermem *s = VIRTIO_TIERMEM(vdev);
    VirtQueueElement *elem;

    if (!virtio_tiermem_driver_ready(s)) {
        return;
    }
    while ((elem = virtqueue_pop(vq, sizeof(*elem)))) {
        virtio_tiermem_stats_receive(s, elem->out_sg, elem->out_num);
        if (s->stats_elem) {
            /* One buffer is enough: give the older one back. */
            virtqueue_push(vq, s->stats_elem, 0);
            virtio_notify(vdev, vq);
            g_free(s->stats_elem);
        }
        s->stats_elem = elem;
    }
}

void virtio_tiermem_poll_stats(VirtIOTiermem *s)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);

    if (!s->stats_elem) {
        return;
    }
    /* What a machine that stands still has in its memory stays as it is. */
    if (!vdev->vm_running) {
        s->stats_due = true;
        return;
    }
    s->stats_due = false;
    virtqueue_push(s->stats_vq, s->stats_elem, 0);
    virtio_notify(vdev, s->stats_vq);
    g_free(s->stats_elem);
    s->stats_elem = NULL;
}

/* ---- Quotas and QoS ---- */

bool virtio_tiermem_check_quota(const VirtIOTiermem *s, unsigned tier,
                                uint64_t size, uint64_t fast_min, Error **errp)
{
    const VirtIOTiermemSet *set = &s->tiers[tier].set;
    const uint64_t min = tier == VIRTIO_TIERMEM_FAST ? fast_min : 0;

    if (size > set->size) {
        error_setg(errp, "'%s' of %" PRIu64 " bytes is more than node %" PRIu32
                   " has: allowed are %" PRIu64 " to %" PRIu64 " bytes",
                   quota_props[tier], size, s->tiers[tier].node, min,
                   set->size);
        return false;
    }
    if (size < min) {
        error_setg(errp, "'%s' of %" PRIu64 " bytes is less than '%s': allowed "
                   "are %" PRIu64 " to %" PRIu64 " bytes", quota_props[tier],
                   size, VIRTIO_TIERMEM_FAST_MIN_PROP, min, set->size);
        return false;
    }
    if (!QEMU_IS_ALIGNED(size, set->block_size)) {
        error_setg(errp, "'%s' of %" PRIu64 " bytes is not a multiple of the "
                   "tier's block size of %" PRIu64 " bytes", quota_props[tier],
                   size, set->block_size);
        return false;
    }
    return true;
}

int virtio_tiermem_measure(VirtIOTiermem *s, unsigned tier, uint64_t *resident)
{
    const uint64_t actual = virtio_tiermem_set_actual(&s->tiers[tier].set);
    const int ret = virtio_tiermem_tier_resident(&s->tiers[tier], resident);

    if (!ret && *resident > actual &&
        virtio_tiermem_tier_trespassed(&s->tiers[tier])) {
        trace_virtio_tiermem_quota_exceeded(tier, actual, *resident);
        qapi_event_send_tiermem_quota_exceeded(virtio_tiermem_id(s), tier,
            s->tiers[tier].requested, actual, *resident);
    }
    return ret;
}

static void virtio_tiermem_deadline_passed(void *opaque)
{
    VirtIOTiermem *s = opaque;
    unsigned t;

    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        const VirtIOTiermemTier *tier = &s->tiers[t];
        const uint64_t actual = virtio_tiermem_set_actual(&tier->set);
        uint64_t resident = 0;

        virtio_tiermem_measure(s, t, &resident);
        if (actual > tier->requested) {
            trace_virtio_tiermem_quota_missed(t, tier->requested, actual);
            qapi_event_send_tiermem_quota_missed(virtio_tiermem_id(s), t,
                tier->requested, actual, resident);
        }
    }
}

void virtio_tiermem_set_quotas(VirtIOTiermem *s, const uint64_t *sizes,
                               uint32_t deadline_ms)
{
    unsigned t;

    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        if (s->tiers[t].requested != sizes[t]) {
            trace_virtio_tiermem_set_quota(t, s->tiers[t].requested, sizes[t],
                                           deadline_ms);
            s->tiers[t].requested = sizes[t];
            virtio_tiermem_send_quota_change(s, t);
        }
    }
    s->qos.shrink_deadline = deadline_ms;
    if (deadline_ms) {
        timer_mod(s->deadline,
                  qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + deadline_ms);
    } else {
        timer_del(s->deadline);
    }
    virtio_notify_config(VIRTIO_DEVICE(s));
}

bool virtio_tiermem_check_qos(const VirtIOTiermem *s,
                              const VirtIOTiermemQos *qos, Error **errp)
{
    const VirtIOTiermemTier *fast = &s->tiers[VIRTIO_TIERMEM_FAST];

    if (!qos->weight || qos->weight > VIRTIO_TIERMEM_MAX_WEIGHT) {
        error_setg(errp, "'%s' is %" PRIu32 ": allowed are 1 to %d",
                   VIRTIO_TIERMEM_QOS_WEIGHT_PROP, qos->weight,
                   VIRTIO_TIERMEM_MAX_WEIGHT);
        return false;
    }
    /* Above it, a negative number that wrapped. */
    if (qos->migration_bandwidth > INT64_MAX) {
        error_setg(errp, "'%s' is %" PRIu64 ": allowed are 0 (no limit) to %"
                   PRId64 " bytes per second", VIRTIO_TIERMEM_BANDWIDTH_PROP,
                   qos->migration_bandwidth, INT64_MAX);
        return false;
    }
    if (qos->cpu_budget > VIRTIO_TIERMEM_MAX_CPU_BUDGET) {
        error_setg(errp, "'%s' is %" PRIu32 ": allowed are 0 to %d permille of "
                   "one virtual CPU", VIRTIO_TIERMEM_CPU_BUDGET_PROP,
                   qos->cpu_budget, VIRTIO_TIERMEM_MAX_CPU_BUDGET);
        return false;
    }
    if (qos->fast_min > fast->requested) {
        error_setg(errp, "'%s' of %" PRIu64 " bytes is more than '%s': allowed "
                   "are 0 to %" PRIu64 " bytes", VIRTIO_TIERMEM_FAST_MIN_PROP,
                   qos->fast_min, VIRTIO_TIERMEM_FAST_QUOTA_PROP,
                   fast->requested);
        return false;
    }
    return true;
}

void virtio_tiermem_set_qos(VirtIOTiermem *s, const VirtIOTiermemQos *qos)
{
    s->qos = *qos;
    trace_virtio_tiermem_set_qos(TiermemQosClass_str(qos->class), qos->weight,
                                 qos->fast_min, qos->migration_bandwidth,
                                 qos->cpu_budget);
    virtio_notify_config(VIRTIO_DEVICE(s));
}

/* ---- Configuration space and features ---- */

static void virtio_tiermem_fill_tier(const VirtIOTiermemTier *tier,
                                     struct virtio_tiermem_tier *wire)
{
    const VirtIOTiermemSet *set = &tier->set;
    uint32_t i;

    *wire = (struct virtio_tiermem_tier) {
        .size = cpu_to_le64(set->size),
        .requested = cpu_to_le64(tier->requested),
        .actual = cpu_to_le64(virtio_tiermem_set_actual(set)),
        .block_size = cpu_to_le64(set->block_size),
        .node = cpu_to_le32(tier->node),
        .num_regions = cpu_to_le32(set->num_regions),
        .read_latency = cpu_to_le32(tier->read_latency),
        .write_latency = cpu_to_le32(tier->write_latency),
        .read_bandwidth = cpu_to_le64(tier->read_bandwidth),
        .write_bandwidth = cpu_to_le64(tier->write_bandwidth),
    };
    for (i = 0; i < set->num_regions; i++) {
        wire->regions[i].addr = cpu_to_le64(set->regions[i].addr);
        wire->regions[i].size = cpu_to_le64(set->regions[i].size);
    }
}

static void virtio_tiermem_get_config(VirtIODevice *vdev, uint8_t *config)
{
    const VirtIOTiermem *s = VIRTIO_TIERMEM(vdev);
    struct virtio_tiermem_config wire = {
        .num_tiers = cpu_to_le32(VIRTIO_TIERMEM_NUM_TIERS),
        .max_ranges = cpu_to_le32(VIRTIO_TIERMEM_MAX_RANGES),
        .qos = {
            .qos_class = cpu_to_le32(s->qos.class),
            .weight = cpu_to_le32(s->qos.weight),
            .fast_min = cpu_to_le64(s->qos.fast_min),
            .migration_bandwidth = cpu_to_le64(s->qos.migration_bandwidth),
            .cpu_budget = cpu_to_le32(s->qos.cpu_budget),
            .shrink_deadline = cpu_to_le32(s->qos.shrink_deadline),
        },
    };
    unsigned t;

    QEMU_BUILD_BUG_ON((int)TIERMEM_QOS_CLASS_GUARANTEED !=
                      VIRTIO_TIERMEM_QOS_GUARANTEED);
    QEMU_BUILD_BUG_ON((int)TIERMEM_QOS_CLASS_BURSTABLE !=
                      VIRTIO_TIERMEM_QOS_BURSTABLE);
    QEMU_BUILD_BUG_ON((int)TIERMEM_QOS_CLASS_BEST_EFFORT !=
                      VIRTIO_TIERMEM_QOS_BEST_EFFORT);
    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        virtio_tiermem_fill_tier(&s->tiers[t], &wire.tiers[t]);
    }
    memcpy(config, &wire, sizeof(wire));
}

static uint64_t virtio_tiermem_get_features(VirtIODevice *vdev,
                                            uint64_t features, Error **errp)
{
    return features | VIRTIO_TIERMEM(vdev)->host_features;
}

/* ---- Life cycle ---- */

/* The guest starts over: all memory is its own again; the quotas stay. */
static void virtio_tiermem_reset(VirtIODevice *vdev)
{
    VirtIOTiermem *s = VIRTIO_TIERMEM(vdev);
    unsigned t;

    virtio_tiermem_drop_stats_elem(s);
    s->stats_due = false;
    virtio_tiermem_stats_clear(&s->stats);
    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        VirtIOTiermemSet *set = &s->tiers[t].set;

        if (set->surrendered) {
            trace_virtio_tiermem_reset(t, set->surrendered);
            virtio_tiermem_set_clear(set);
            virtio_tiermem_send_quota_change(s, t);
        }
    }
}

static int virtio_tiermem_precopy_notify(NotifierWithReturn *n, void *data,
                                         Error **errp)
{
    VirtIOTiermem *s = container_of(n, VirtIOTiermem, precopy_notifier);
    const PrecopyNotifyData *pnd = data;
    unsigned t;

    /*
     * With postcopy the destination may ask for any page that is not marked
     * as sent, and would wait forever for one that was skipped.
     */
    if (pnd->reason != PRECOPY_NOTIFY_AFTER_BITMAP_SYNC ||
        migrate_postcopy_ram()) {
        return 0;
    }
    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        virtio_tiermem_tier_skip_migration(&s->tiers[t]);
    }
    return 0;
}

static VirtIOTiermem *virtio_tiermem_find_other(VirtIOTiermem *s)
{
    bool ambiguous = false;
    Object *obj = object_resolve_path_type("", TYPE_VIRTIO_TIERMEM, &ambiguous);

    return ambiguous || (obj && obj != OBJECT(s)) ? s : NULL;
}

static bool virtio_tiermem_attach_tiers(VirtIOTiermem *s, Error **errp)
{
    unsigned t;

    if (s->tiers[VIRTIO_TIERMEM_FAST].node ==
        s->tiers[VIRTIO_TIERMEM_SLOW].node) {
        error_setg(errp, "'%s' and '%s' are both node %" PRIu32 ": each tier "
                   "must be a node of its own", VIRTIO_TIERMEM_FAST_NODE_PROP,
                   VIRTIO_TIERMEM_SLOW_NODE_PROP,
                   s->tiers[VIRTIO_TIERMEM_FAST].node);
        return false;
    }
    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        VirtIOTiermemTier *tier = &s->tiers[t];

        if (!virtio_tiermem_tier_attach(tier, node_props[t], errp)) {
            return false;
        }
        if (!tier->quota_set) {
            tier->requested = tier->set.size;
        }
        if (!virtio_tiermem_check_quota(s, t, tier->requested, s->qos.fast_min,
                                        errp)) {
            return false;
        }
    }
    return virtio_tiermem_check_qos(s, &s->qos, errp);
}

static void virtio_tiermem_detach_tiers(VirtIOTiermem *s)
{
    unsigned t;

    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        virtio_tiermem_tier_detach(&s->tiers[t]);
    }
}

static void virtio_tiermem_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOTiermem *s = VIRTIO_TIERMEM(dev);

    if (virtio_tiermem_find_other(s)) {
        error_setg(errp, "only one virtio-tiermem device per machine is "
                   "supported");
        return;
    }
    if (!virtio_tiermem_attach_tiers(s, errp)) {
        virtio_tiermem_detach_tiers(s);
        return;
    }

    virtio_init(vdev, VIRTIO_ID_TIERMEM, sizeof(struct virtio_tiermem_config));
    s->request_vq = virtio_add_queue(vdev, VIRTIO_TIERMEM_REQUEST_QUEUE_SIZE,
                                     virtio_tiermem_handle_request);
    if (virtio_has_feature(s->host_features, VIRTIO_TIERMEM_F_STATS)) {
        s->stats_vq = virtio_add_queue(vdev, VIRTIO_TIERMEM_STATS_QUEUE_SIZE,
                                       virtio_tiermem_handle_stats);
    }
    s->request_buf = g_malloc(VIRTIO_TIERMEM_MAX_REQUEST);
    virtio_tiermem_stats_init(&s->stats);
    s->deadline = timer_new_ms(QEMU_CLOCK_VIRTUAL,
                               virtio_tiermem_deadline_passed, s);
    s->precopy_notifier.notify = virtio_tiermem_precopy_notify;
    precopy_add_notifier(&s->precopy_notifier);
}

static void virtio_tiermem_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOTiermem *s = VIRTIO_TIERMEM(dev);

    precopy_remove_notifier(&s->precopy_notifier);
    timer_free(s->deadline);
    virtio_tiermem_drop_stats_elem(s);
    if (s->stats_vq) {
        virtio_delete_queue(s->stats_vq);
    }
    virtio_delete_queue(s->request_vq);
    virtio_cleanup(vdev);
    virtio_tiermem_stats_destroy(&s->stats);
    g_free(s->request_buf);
    virtio_tiermem_detach_tiers(s);
}

/* ---- Migration ---- */

static int virtio_tiermem_post_load(void *opaque, int version_id)
{
    VirtIOTiermem *s = opaque;
    unsigned t;

    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        VirtIOTiermemTier *tier = &s->tiers[t];

        virtio_tiermem_set_recount(&tier->set);
        /* Sent before they were surrendered, or left from before a loadvm. */
        if (virtio_tiermem_discard_possible() &&
            virtio_tiermem_tier_discard_surrendered(tier)) {
            warn_report("virtio-tiermem: surrendered memory of node %" PRIu32
                        " stays populated", tier->node);
        }
    }
    return 0;
}

/* What must not differ at the destination, under the names of properties. */
typedef struct VirtIOTiermemFixed {
    VirtIOTiermem *parent;
    uint32_t node[VIRTIO_TIERMEM_NUM_TIERS];
    uint64_t size[VIRTIO_TIERMEM_NUM_TIERS];
    uint64_t block_size[VIRTIO_TIERMEM_NUM_TIERS];
    /* where the first and the last region of the node begin */
    uint64_t first_addr[VIRTIO_TIERMEM_NUM_TIERS];
    uint64_t last_addr[VIRTIO_TIERMEM_NUM_TIERS];
} VirtIOTiermemFixed;

static void virtio_tiermem_region_addrs(const VirtIOTiermemSet *set,
                                        uint64_t *first, uint64_t *last)
{
    *first = set->regions[0].addr;
    *last = set->regions[set->num_regions - 1].addr;
}

static int virtio_tiermem_fixed_pre_save(void *opaque)
{
    VirtIOTiermemFixed *fixed = opaque;
    unsigned t;

    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        const VirtIOTiermemTier *tier = &fixed->parent->tiers[t];

        fixed->node[t] = tier->node;
        fixed->size[t] = tier->set.size;
        fixed->block_size[t] = tier->set.block_size;
        virtio_tiermem_region_addrs(&tier->set, &fixed->first_addr[t],
                                    &fixed->last_addr[t]);
    }
    return 0;
}

static int virtio_tiermem_fixed_check(const char *prop, const char *what,
                                      uint64_t source, uint64_t here)
{
    if (source == here) {
        return 0;
    }
    error_report("virtio-tiermem: property '%s' differs: %s is %" PRIu64
                 " at the source and %" PRIu64 " here", prop, what, source,
                 here);
    return -EINVAL;
}

static int virtio_tiermem_fixed_post_load(void *opaque, int version_id)
{
    VirtIOTiermemFixed *fixed = opaque;
    int ret = 0;
    unsigned t;

    for (t = 0; !ret && t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        const VirtIOTiermemTier *tier = &fixed->parent->tiers[t];
        const char *prop = node_props[t];
        uint64_t first, last;

        virtio_tiermem_region_addrs(&tier->set, &first, &last);
        ret = virtio_tiermem_fixed_check(prop, "the node", fixed->node[t],
                                         tier->node) ?:
              virtio_tiermem_fixed_check(prop, "the size of the node",
                                         fixed->size[t], tier->set.size) ?:
              virtio_tiermem_fixed_check(prop, "the page size of its backend",
                                         fixed->block_size[t],
                                         tier->set.block_size) ?:
              virtio_tiermem_fixed_check(prop, "the address of the node",
                                         fixed->first_addr[t], first) ?:
              virtio_tiermem_fixed_check(prop, "the address of its last region",
                                         fixed->last_addr[t], last);
    }
    return ret;
}

static const VMStateDescription vmstate_virtio_tiermem_fixed = {
    .name = "virtio-tiermem-device/fixed",
    .pre_save = virtio_tiermem_fixed_pre_save,
    .post_load = virtio_tiermem_fixed_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(node, VirtIOTiermemFixed,
                             VIRTIO_TIERMEM_NUM_TIERS),
        VMSTATE_UINT64_ARRAY(size, VirtIOTiermemFixed,
                             VIRTIO_TIERMEM_NUM_TIERS),
        VMSTATE_UINT64_ARRAY(block_size, VirtIOTiermemFixed,
                             VIRTIO_TIERMEM_NUM_TIERS),
        VMSTATE_UINT64_ARRAY(first_addr, VirtIOTiermemFixed,
                             VIRTIO_TIERMEM_NUM_TIERS),
        VMSTATE_UINT64_ARRAY(last_addr, VirtIOTiermemFixed,
                             VIRTIO_TIERMEM_NUM_TIERS),
        VMSTATE_END_OF_LIST()
    },
};

static bool virtio_tiermem_tier_state_valid(void *opaque, int version_id)
{
    const VirtIOTiermemTier *tier = opaque;

    return tier->requested <= tier->set.size &&
           QEMU_IS_ALIGNED(tier->requested, tier->set.block_size);
}

static const VMStateDescription vmstate_virtio_tiermem_tier = {
    .name = "virtio-tiermem-device/tier",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(requested, VirtIOTiermemTier),
        VMSTATE_VALIDATE("requested fits the tier",
                         virtio_tiermem_tier_state_valid),
        VMSTATE_BITMAP(set.bitmap, VirtIOTiermemTier, 0, set.num_blocks),
        VMSTATE_END_OF_LIST()
    },
};

static bool virtio_tiermem_qos_state_valid(void *opaque, int version_id)
{
    const VirtIOTiermemQos *qos = opaque;

    return qos->class < (uint32_t)TIERMEM_QOS_CLASS__MAX && qos->weight &&
           qos->weight <= VIRTIO_TIERMEM_MAX_WEIGHT &&
           qos->cpu_budget <= VIRTIO_TIERMEM_MAX_CPU_BUDGET;
}

static const VMStateDescription vmstate_virtio_tiermem_qos = {
    .name = "virtio-tiermem-device/qos",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(class, VirtIOTiermemQos),
        VMSTATE_UINT32(weight, VirtIOTiermemQos),
        VMSTATE_UINT64(fast_min, VirtIOTiermemQos),
        VMSTATE_UINT64(migration_bandwidth, VirtIOTiermemQos),
        VMSTATE_UINT32(cpu_budget, VirtIOTiermemQos),
        VMSTATE_UINT32(shrink_deadline, VirtIOTiermemQos),
        VMSTATE_VALIDATE("quality of service in range",
                         virtio_tiermem_qos_state_valid),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_virtio_tiermem_device = {
    .name = "virtio-tiermem-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = virtio_tiermem_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_WITH_TMP(VirtIOTiermem, VirtIOTiermemFixed,
                         vmstate_virtio_tiermem_fixed),
        VMSTATE_STRUCT_ARRAY(tiers, VirtIOTiermem, VIRTIO_TIERMEM_NUM_TIERS, 1,
                             vmstate_virtio_tiermem_tier, VirtIOTiermemTier),
        VMSTATE_STRUCT(qos, VirtIOTiermem, 1, vmstate_virtio_tiermem_qos,
                       VirtIOTiermemQos),
        VMSTATE_TIMER_PTR(deadline, VirtIOTiermem),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_virtio_tiermem = {
    .name = "virtio-tiermem",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    },
};

static void virtio_tiermem_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIOTiermem *s = VIRTIO_TIERMEM(vdev);

    /* After a migration, take the buffer again that the source had taken. */
    if (s->stats_vq && !s->stats_elem && vdev->vm_running &&
        (status & VIRTIO_CONFIG_S_DRIVER_OK) &&
        virtqueue_rewind(s->stats_vq, 1)) {
        virtio_tiermem_handle_stats(vdev, s->stats_vq);
    }
    if (s->stats_due && vdev->vm_running) {
        virtio_tiermem_poll_stats(s);
    }
}

/* ---- Properties that may change at run time ---- */

static void virtio_tiermem_get_quota(Object *obj, Visitor *v, const char *name,
                                     void *opaque, Error **errp)
{
    VirtIOTiermem *s = VIRTIO_TIERMEM(obj);

    visit_type_size(v, name, &s->tiers[(uintptr_t)opaque].requested, errp);
}

static void virtio_tiermem_set_quota(Object *obj, Visitor *v, const char *name,
                                     void *opaque, Error **errp)
{
    VirtIOTiermem *s = VIRTIO_TIERMEM(obj);
    const unsigned tier = (uintptr_t)opaque;
    uint64_t sizes[VIRTIO_TIERMEM_NUM_TIERS];
    uint64_t size;
    unsigned t;

    if (!visit_type_size(v, name, &size, errp)) {
        return;
    }
    if (!DEVICE(obj)->realized) {
        s->tiers[tier].requested = size;
        s->tiers[tier].quota_set = true;
        return;
    }
    if (!virtio_tiermem_check_quota(s, tier, size, s->qos.fast_min, errp)) {
        return;
    }
    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        sizes[t] = t == tier ? size : s->tiers[t].requested;
    }
    virtio_tiermem_set_quotas(s, sizes, 0);
}

/* Take over changed QoS, checked against the limits once the device exists. */
static void virtio_tiermem_apply_qos(VirtIOTiermem *s,
                                     const VirtIOTiermemQos *qos, Error **errp)
{
    if (!DEVICE(s)->realized) {
        s->qos = *qos;
    } else if (virtio_tiermem_check_qos(s, qos, errp)) {
        virtio_tiermem_set_qos(s, qos);
    }
}

static int virtio_tiermem_get_class(Object *obj, Error **errp)
{
    return VIRTIO_TIERMEM(obj)->qos.class;
}

static void virtio_tiermem_set_class(Object *obj, int value, Error **errp)
{
    VirtIOTiermemQos qos = VIRTIO_TIERMEM(obj)->qos;

    qos.class = value;
    virtio_tiermem_apply_qos(VIRTIO_TIERMEM(obj), &qos, errp);
}

/* A QoS number: its place in VirtIOTiermemQos, and how it is read. */
typedef struct QosNumber {
    const char *name;
    const char *type;
    size_t offset;
    bool wide;
    const char *description;
} QosNumber;

static const QosNumber qos_numbers[] = {
    { VIRTIO_TIERMEM_QOS_WEIGHT_PROP, "uint32",
      offsetof(VirtIOTiermemQos, weight), false,
      "share of fast memory relative to other machines (1 to 10000)" },
    { VIRTIO_TIERMEM_FAST_MIN_PROP, "size",
      offsetof(VirtIOTiermemQos, fast_min), true,
      "fast memory promised to the machine (bytes)" },
    { VIRTIO_TIERMEM_BANDWIDTH_PROP, "size",
      offsetof(VirtIOTiermemQos, migration_bandwidth), true,
      "most bytes per second that the guest moves between tiers; 0: no limit" },
    { VIRTIO_TIERMEM_CPU_BUDGET_PROP, "uint32",
      offsetof(VirtIOTiermemQos, cpu_budget), false,
      "permille of one virtual CPU that the guest spends on tiering" },
};

static void virtio_tiermem_get_qos_number(Object *obj, Visitor *v,
                                          const char *name, void *opaque,
                                          Error **errp)
{
    const QosNumber *number = opaque;
    void *field = (char *)&VIRTIO_TIERMEM(obj)->qos + number->offset;

    if (number->wide) {
        visit_type_size(v, name, field, errp);
    } else {
        visit_type_uint32(v, name, field, errp);
    }
}

static void virtio_tiermem_set_qos_number(Object *obj, Visitor *v,
                                          const char *name, void *opaque,
                                          Error **errp)
{
    const QosNumber *number = opaque;
    VirtIOTiermemQos qos = VIRTIO_TIERMEM(obj)->qos;
    void *field = (char *)&qos + number->offset;

    if (number->wide ? visit_type_size(v, name, field, errp)
                     : visit_type_uint32(v, name, field, errp)) {
        virtio_tiermem_apply_qos(VIRTIO_TIERMEM(obj), &qos, errp);
    }
}

static const Property virtio_tiermem_properties[] = {
    DEFINE_PROP_UINT32(VIRTIO_TIERMEM_FAST_NODE_PROP, VirtIOTiermem,
                       tiers[VIRTIO_TIERMEM_FAST].node, 0),
    DEFINE_PROP_UINT32(VIRTIO_TIERMEM_SLOW_NODE_PROP, VirtIOTiermem,
                       tiers[VIRTIO_TIERMEM_SLOW].node, 1),
    DEFINE_PROP_BIT64("stats", VirtIOTiermem, host_features,
                      VIRTIO_TIERMEM_F_STATS, true),
    DEFINE_PROP_BIT64("reclaim-on-oom", VirtIOTiermem, host_features,
                      VIRTIO_TIERMEM_F_RECLAIM_ON_OOM, true),
    DEFINE_PROP_BIT64("qos", VirtIOTiermem, host_features,
                      VIRTIO_TIERMEM_F_QOS, true),
};

static void virtio_tiermem_instance_init(Object *obj)
{
    VirtIOTiermem *s = VIRTIO_TIERMEM(obj);

    s->qos = (VirtIOTiermemQos) {
        .class = TIERMEM_QOS_CLASS_BURSTABLE,
        .weight = VIRTIO_TIERMEM_DEFAULT_WEIGHT,
        .cpu_budget = VIRTIO_TIERMEM_DEFAULT_CPU_BUDGET,
    };
}

static void virtio_tiermem_add_runtime_properties(ObjectClass *klass)
{
    uintptr_t i;

    for (i = 0; i < VIRTIO_TIERMEM_NUM_TIERS; i++) {
        object_class_property_add(klass, quota_props[i], "size",
                                  virtio_tiermem_get_quota,
                                  virtio_tiermem_set_quota, NULL, (void *)i);
        object_class_property_set_description(klass, quota_props[i],
            "bytes of the tier that the guest may use (default: all)");
    }
    object_class_property_add_enum(klass, VIRTIO_TIERMEM_QOS_CLASS_PROP,
                                   "TiermemQosClass", &TiermemQosClass_lookup,
                                   virtio_tiermem_get_class,
                                   virtio_tiermem_set_class);
    object_class_property_set_description(klass, VIRTIO_TIERMEM_QOS_CLASS_PROP,
        "service class (guaranteed, burstable, best-effort)");
    for (i = 0; i < ARRAY_SIZE(qos_numbers); i++) {
        object_class_property_add(klass, qos_numbers[i].name,
                                  qos_numbers[i].type,
                                  virtio_tiermem_get_qos_number,
                                  virtio_tiermem_set_qos_number, NULL,
                                  (void *)&qos_numbers[i]);
        object_class_property_set_description(klass, qos_numbers[i].name,
                                              qos_numbers[i].description);
    }
}

static void virtio_tiermem_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);

    device_class_set_props(dc, virtio_tiermem_properties);
    virtio_tiermem_add_runtime_properties(klass);
    dc->vmsd = &vmstate_virtio_tiermem;
    dc->desc = "Tiers of memory with quotas that change at run time";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    vdc->realize = virtio_tiermem_realize;
    vdc->unrealize = virtio_tiermem_unrealize;
    vdc->reset = virtio_tiermem_reset;
    vdc->get_config = virtio_tiermem_get_config;
    vdc->get_features = virtio_tiermem_get_features;
    vdc->set_status = virtio_tiermem_set_status;
    vdc->vmsd = &vmstate_virtio_tiermem_device;
}

static const TypeInfo virtio_tiermem_info = {
    .name = TYPE_VIRTIO_TIERMEM,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOTiermem),
    .instance_init = virtio_tiermem_instance_init,
    .class_init = virtio_tiermem_class_init,
};

static void virtio_tiermem_register_types(void)
{
    type_register_static(&virtio_tiermem_info);
}

type_init(virtio_tiermem_register_types)
