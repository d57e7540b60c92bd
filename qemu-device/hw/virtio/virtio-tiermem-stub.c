/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem: monitor commands of a QEMU without the device
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-tiermem.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"

static void virtio_tiermem_not_found(const char *id, Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "'id': there is no virtio-tiermem device '%s'", id);
}

TiermemInfoList *qmp_query_tiermem(Error **errp)
{
    return NULL;
}

void qmp_tiermem_set_quota(const char *id, TiermemQuotaList *tiers,
                           bool has_deadline_ms, uint32_t deadline_ms,
                           Error **errp)
{
    virtio_tiermem_not_found(id, errp);
}

void qmp_tiermem_set_qos(const char *id, bool has_class, TiermemQosClass class,
                         bool has_weight, uint32_t weight, bool has_fast_min,
                         uint64_t fast_min, bool has_migration_bandwidth,
                         uint64_t migration_bandwidth, bool has_cpu_budget,
                         uint32_t cpu_budget, Error **errp)
{
    virtio_tiermem_not_found(id, errp);
}

void hmp_info_tiermem(Monitor *mon, const QDict *qdict)
{
    monitor_printf(mon, "no virtio-tiermem device\n");
}
