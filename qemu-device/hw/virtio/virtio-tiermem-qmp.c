/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: monitor commands
 *
 * A command is checked as a whole before anything is changed.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-tiermem.h"
#include "qobject/qdict.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "hw/virtio/virtio-tiermem.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"

static int virtio_tiermem_collect(Object *obj, void *opaque)
{
    GPtrArray *devices = opaque;

    if (object_dynamic_cast(obj, TYPE_VIRTIO_TIERMEM) &&
        DEVICE(obj)->realized) {
        g_ptr_array_add(devices, obj);
    }
    return 0;
}

static GPtrArray *virtio_tiermem_devices(void)
{
    GPtrArray *devices = g_ptr_array_new();

    object_child_foreach_recursive(object_get_root(), virtio_tiermem_collect,
                                   devices);
    return devices;
}

static VirtIOTiermem *virtio_tiermem_find(const char *id, Error **errp)
{
    g_autoptr(GPtrArray) devices = virtio_tiermem_devices();
    guint i;

    for (i = 0; i < devices->len; i++) {
        VirtIOTiermem *s = devices->pdata[i];

        if (!strcmp(virtio_tiermem_id(s), id)) {
            return s;
        }
    }
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "'id': there is no virtio-tiermem device '%s'", id);
    return NULL;
}

/* ---- query-tiermem ---- */

static const char *const tier_names[VIRTIO_TIERMEM_NUM_TIERS] = {
    "fast", "slow",
};

static TiermemTier *virtio_tiermem_query_tier(VirtIOTiermem *s, unsigned t)
{
    const VirtIOTiermemTier *tier = &s->tiers[t];
    TiermemTier *info = g_new0(TiermemTier, 1);

    info->tier = t;
    info->name = g_strdup(tier_names[t]);
    info->node = tier->node;
    info->size = tier->set.size;
    info->requested = tier->requested;
    info->actual = virtio_tiermem_set_actual(&tier->set);
    info->block_size = tier->set.block_size;
    info->has_resident = !virtio_tiermem_measure(s, t, &info->resident);
    return info;
}

static TiermemStat *virtio_tiermem_query_stat(const VirtIOTiermemStat *kept)
{
    static const char *const names[] = {
        [VIRTIO_TIERMEM_STAT_TOTAL] = "total",
        [VIRTIO_TIERMEM_STAT_FREE] = "free",
        [VIRTIO_TIERMEM_STAT_RECLAIMABLE] = "reclaimable",
        [VIRTIO_TIERMEM_STAT_PROMOTED] = "promoted",
        [VIRTIO_TIERMEM_STAT_DEMOTED] = "demoted",
        [VIRTIO_TIERMEM_STAT_EXCHANGE_FAILED] = "exchange-failed",
        [VIRTIO_TIERMEM_STAT_SAMPLES] = "samples",
        [VIRTIO_TIERMEM_STAT_CPU_TIME] = "cpu-time",
        [VIRTIO_TIERMEM_STAT_CURVE_BYTES] = "curve-bytes",
        [VIRTIO_TIERMEM_STAT_CURVE_RATE] = "curve-rate",
        [VIRTIO_TIERMEM_STAT_OOM_RECLAIMS] = "oom-reclaims",
    };
    TiermemStat *stat = g_new0(TiermemStat, 1);

    stat->name = g_strdup(names[kept->tag]);
    stat->has_tier = kept->tier != VIRTIO_TIERMEM_STAT_NO_TIER;
    stat->tier = stat->has_tier ? kept->tier : 0;
    stat->index = kept->index;
    stat->value = kept->value;
    return stat;
}

static TiermemStats *virtio_tiermem_query_stats(VirtIOTiermem *s)
{
    const VirtIOTiermemStats *kept = &s->stats;
    TiermemStats *stats = g_new0(TiermemStats, 1);
    TiermemStatList **tail = &stats->values;
    TiermemDoubtList **doubts = &stats->doubts;
    TiermemDoubt doubt;
    uint32_t i;

    stats->has_age_ms = kept->received;
    stats->age_ms = kept->received ?
                    qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - kept->host_ms : 0;
    for (doubt = 0; doubt < TIERMEM_DOUBT__MAX; doubt++) {
        if (kept->doubts & BIT(doubt)) {
            QAPI_LIST_APPEND(doubts, doubt);
        }
    }
    for (i = 0; i < kept->num; i++) {
        QAPI_LIST_APPEND(tail, virtio_tiermem_query_stat(&kept->entries[i]));
    }
    virtio_tiermem_poll_stats(s);
    return stats;
}

static TiermemInfo *virtio_tiermem_query(VirtIOTiermem *s)
{
    TiermemInfo *info = g_new0(TiermemInfo, 1);
    TiermemTierList **tail = &info->tiers;
    unsigned t;

    info->id = g_strdup(virtio_tiermem_id(s));
    info->driver_ready = virtio_tiermem_driver_ready(s);
    info->discard_possible = virtio_tiermem_discard_possible();
    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        QAPI_LIST_APPEND(tail, virtio_tiermem_query_tier(s, t));
    }
    info->qos = g_new0(TiermemQos, 1);
    info->qos->q_class = s->qos.class;
    info->qos->weight = s->qos.weight;
    info->qos->fast_min = s->qos.fast_min;
    info->qos->migration_bandwidth = s->qos.migration_bandwidth;
    info->qos->cpu_budget = s->qos.cpu_budget;
    info->qos->shrink_deadline_ms = s->qos.shrink_deadline;
    info->stats = virtio_tiermem_query_stats(s);
    return info;
}

TiermemInfoList *qmp_query_tiermem(Error **errp)
{
    g_autoptr(GPtrArray) devices = virtio_tiermem_devices();
    TiermemInfoList *list = NULL, **tail = &list;
    guint i;

    for (i = 0; i < devices->len; i++) {
        QAPI_LIST_APPEND(tail, virtio_tiermem_query(devices->pdata[i]));
    }
    return list;
}

/* ---- tiermem-set-quota, tiermem-set-qos ---- */

void qmp_tiermem_set_quota(const char *id, TiermemQuotaList *tiers,
                           bool has_deadline_ms, uint32_t deadline_ms,
                           Error **errp)
{
    VirtIOTiermem *s = virtio_tiermem_find(id, errp);
    uint64_t sizes[VIRTIO_TIERMEM_NUM_TIERS];
    bool named[VIRTIO_TIERMEM_NUM_TIERS] = { };
    unsigned t;

    if (!s) {
        return;
    }
    if (!tiers) {
        error_setg(errp, "'tiers' is empty: name at least one tier");
        return;
    }
    for (t = 0; t < VIRTIO_TIERMEM_NUM_TIERS; t++) {
        sizes[t] = s->tiers[t].requested;
    }
    for (; tiers; tiers = tiers->next) {
        const TiermemQuota *quota = tiers->value;

        if (quota->tier >= VIRTIO_TIERMEM_NUM_TIERS) {
            error_setg(errp, "'tier' is %" PRIu32 ": allowed are 0 (fast) to "
                       "%d (slow)", quota->tier, VIRTIO_TIERMEM_NUM_TIERS - 1);
            return;
        }
        if (named[quota->tier]) {
            error_setg(errp, "'tiers' names tier %" PRIu32 " twice",
                       quota->tier);
            return;
        }
        if (!virtio_tiermem_check_quota(s, quota->tier, quota->size,
                                        s->qos.fast_min, errp)) {
            return;
        }
        named[quota->tier] = true;
        sizes[quota->tier] = quota->size;
    }
    virtio_tiermem_set_quotas(s, sizes, has_deadline_ms ? deadline_ms : 0);
}

void qmp_tiermem_set_qos(const char *id, bool has_class, TiermemQosClass class,
                         bool has_weight, uint32_t weight, bool has_fast_min,
                         uint64_t fast_min, bool has_migration_bandwidth,
                         uint64_t migration_bandwidth, bool has_cpu_budget,
                         uint32_t cpu_budget, Error **errp)
{
    VirtIOTiermem *s = virtio_tiermem_find(id, errp);
    VirtIOTiermemQos qos;

    if (!s) {
        return;
    }
    qos = s->qos;
    qos.class = has_class ? class : qos.class;
    qos.weight = has_weight ? weight : qos.weight;
    qos.fast_min = has_fast_min ? fast_min : qos.fast_min;
    qos.migration_bandwidth = has_migration_bandwidth ? migration_bandwidth
                                                      : qos.migration_bandwidth;
    qos.cpu_budget = has_cpu_budget ? cpu_budget : qos.cpu_budget;
    if (virtio_tiermem_check_qos(s, &qos, errp)) {
        virtio_tiermem_set_qos(s, &qos);
    }
}

/* ---- info tiermem ---- */

static void hmp_print_tier(Monitor *mon, const TiermemTier *tier)
{
    g_autofree char *size = size_to_str(tier->size);
    g_autofree char *requested = size_to_str(tier->requested);
    g_autofree char *actual = size_to_str(tier->actual);
    g_autofree char *resident = tier->has_resident ?
                                size_to_str(tier->resident) :
                                g_strdup("unknown");

    monitor_printf(mon, "  %s (node %" PRIu32 "): size %s, requested %s, "
                   "actual %s, resident %s\n", tier->name, tier->node, size,
                   requested, actual, resident);
}

void hmp_info_tiermem(Monitor *mon, const QDict *qdict)
{
    g_autoptr(TiermemInfoList) list = qmp_query_tiermem(NULL);
    const TiermemInfoList *entry;
    const TiermemTierList *tier;
    const TiermemDoubtList *doubt;

    if (!list) {
        monitor_printf(mon, "no virtio-tiermem device\n");
    }
    for (entry = list; entry; entry = entry->next) {
        const TiermemInfo *info = entry->value;

        monitor_printf(mon, "%s: driver %s, class %s, weight %" PRIu32 "\n",
                       *info->id ? info->id : "(no id)",
                       info->driver_ready ? "ready" : "not ready",
                       TiermemQosClass_str(info->qos->q_class),
                       info->qos->weight);
        for (tier = info->tiers; tier; tier = tier->next) {
            hmp_print_tier(mon, tier->value);
        }
        for (doubt = info->stats->doubts; doubt; doubt = doubt->next) {
            monitor_printf(mon, "  statistics not believed: %s\n",
                           TiermemDoubt_str(doubt->value));
        }
    }
}
