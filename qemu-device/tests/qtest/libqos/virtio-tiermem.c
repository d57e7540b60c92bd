/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos: a driver for virtio-tiermem that does as it is told, right or wrong
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "virtio-tiermem.h"

#define QTM_TIMEOUT_US (30 * 1000 * 1000)
#define QTM_SLOT 4
#define QTM_REQUEST_BUF (64 * KiB)
#define QTM_RESPONSE_BUF (4 * KiB)
/* What the response buffer holds before the device writes to it. */
#define QTM_UNTOUCHED 0xa5

QTiermem *qtm_boot(const char *cmdline_fmt, ...)
{
    QTiermem *t = g_new0(QTiermem, 1);
    QPCIAddress addr = { .devfn = QPCI_DEVFN(QTM_SLOT, 0) };
    va_list ap;

    va_start(ap, cmdline_fmt);
    t->qs = qtest_pc_vboot(cmdline_fmt, ap);
    va_end(ap);
    t->pci = virtio_pci_new(t->qs->pcibus, &addr);
    g_assert_nonnull(t->pci);
    t->dev = &t->pci->vdev;
    t->request_buf = qmalloc(t->qs, QTM_REQUEST_BUF);
    t->response_buf = qmalloc(t->qs, QTM_RESPONSE_BUF);
    qvirtio_pci_device_enable(t->pci);
    qvirtio_start_device(t->dev);
    return t;
}

void qtm_negotiate(QTiermem *t, uint64_t features)
{
    features &= qvirtio_get_features(t->dev);
    qvirtio_set_features(t->dev, features);
    t->request_vq = qvirtqueue_setup(t->dev, &t->qs->alloc,
                                     VIRTIO_TIERMEM_VQ_REQUEST);
    t->stats_vq = features & QTM_FEATURE(STATS) ?
                  qvirtqueue_setup(t->dev, &t->qs->alloc,
                                   VIRTIO_TIERMEM_VQ_STATS) : NULL;
}

void qtm_start(QTiermem *t, uint64_t features)
{
    qtm_negotiate(t, features);
    qvirtio_set_driver_ok(t->dev);
}

QTiermem *qtm_new(const char *device_opts)
{
    QTiermem *t = qtm_boot(QTM_MACHINE QTM_DEVICE "%s", device_opts);

    qtm_start(t, ~(1ull << VIRTIO_RING_F_EVENT_IDX) & ~QVIRTIO_F_BAD_FEATURE);
    return t;
}

static void qtm_free_queues(QTiermem *t)
{
    if (t->request_vq) {
        qvirtqueue_cleanup(t->dev->bus, t->request_vq, &t->qs->alloc);
    }
    if (t->stats_vq) {
        qvirtqueue_cleanup(t->dev->bus, t->stats_vq, &t->qs->alloc);
    }
    t->request_vq = t->stats_vq = NULL;
}

void qtm_reset(QTiermem *t)
{
    qtm_free_queues(t);
    qvirtio_start_device(t->dev);
}

void qtm_free(QTiermem *t)
{
    qtm_free_queues(t);
    qvirtio_pci_device_disable(t->pci);
    g_free(t->pci->pdev);
    g_free(t->pci);
    qtest_shutdown(t->qs);
    g_free(t);
}

void qtm_config(QTiermem *t, struct virtio_tiermem_config *config)
{
    uint32_t *words = (uint32_t *)config;
    size_t i;

    for (i = 0; i < sizeof(*config) / sizeof(*words); i++) {
        words[i] = cpu_to_le32(qvirtio_config_readl(t->dev, i * 4));
    }
}

static uint64_t qtm_tier_field(QTiermem *t, unsigned tier, size_t offset)
{
    return qvirtio_config_readq(t->dev,
                                offsetof(struct virtio_tiermem_config, tiers) +
                                tier * sizeof(struct virtio_tiermem_tier) +
                                offset);
}

uint64_t qtm_actual(QTiermem *t, unsigned tier)
{
    return qtm_tier_field(t, tier,
                          offsetof(struct virtio_tiermem_tier, actual));
}

uint64_t qtm_requested(QTiermem *t, unsigned tier)
{
    return qtm_tier_field(t, tier,
                          offsetof(struct virtio_tiermem_tier, requested));
}

bool qtm_needs_reset(QTiermem *t)
{
    return t->dev->bus->get_status(t->dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

bool qtm_config_changed(QTiermem *t)
{
    /* Reading the ISR status clears it; the second bit is for configuration. */
    return qpci_io_readb(t->pci->pdev, t->pci->bar, t->pci->isr_cfg_offset) & 2;
}

size_t qtm_encode(const QTiermemAsk *ask, void *bytes)
{
    struct virtio_tiermem_request *wire = bytes;
    struct virtio_tiermem_range *ranges = (void *)(wire + 1);
    const size_t n = MIN(ask->num_ranges, QTM_ASK_RANGES);
    size_t i;

    *wire = (struct virtio_tiermem_request) {
        .type = cpu_to_le16(ask->type),
        .tier = cpu_to_le16(ask->tier),
        .flags = cpu_to_le32(ask->flags),
        .num_ranges = cpu_to_le32(ask->num_ranges),
        .reserved = cpu_to_le32(ask->reserved),
    };
    for (i = 0; i < n; i++) {
        ranges[i].addr = cpu_to_le64(ask->ranges[i].addr);
        ranges[i].size = cpu_to_le64(ask->ranges[i].size);
    }
    return sizeof(*wire) + n * sizeof(*ranges);
}

void qtm_wait(QTiermem *t, uint32_t head)
{
    const gint64 start = g_get_monotonic_time();
    uint32_t used, len;

    while (!qvirtqueue_get_buf(t->qs->qts, t->request_vq, &used, &len)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, QTM_TIMEOUT_US);
        g_usleep(100);
    }
    g_assert_cmpint(used, ==, head);
    g_assert_cmpint(len, ==, sizeof(struct virtio_tiermem_response));
}

QTiermemAnswer qtm_answer(QTiermem *t)
{
    uint8_t bytes[2 * sizeof(struct virtio_tiermem_response)];
    const struct virtio_tiermem_response *wire = (void *)bytes;
    size_t i;

    qtest_memread(t->qs->qts, t->response_buf, bytes, sizeof(bytes));
    for (i = sizeof(*wire); i < sizeof(bytes); i++) {
        g_assert_cmphex(bytes[i], ==, QTM_UNTOUCHED);
    }
    g_assert_cmphex(wire->reserved, ==, 0);
    return (QTiermemAnswer) {
        .status = le16_to_cpu(wire->status),
        .done = le32_to_cpu(wire->done_ranges),
        .actual = le64_to_cpu(wire->actual),
    };
}

/* Add a buffer in pieces. */
static void qtm_add(QTiermem *t, uint64_t addr, size_t len, size_t piece,
                        bool write, bool more)
{
    size_t size;

    for (; len; len -= size, addr += size) {
        size = piece ? MIN(piece, len) : len;
        qvirtqueue_add(t->qs->qts, t->request_vq, addr, size, write,
                       more || len > size);
    }
}

QTiermemAnswer qtm_send(QTiermem *t, const void *bytes, size_t len,
                        size_t room, size_t piece)
{
    uint32_t head;

    g_assert_cmpint(len, <=, QTM_REQUEST_BUF);
    g_assert_cmpint(room, <=, QTM_RESPONSE_BUF);
    qtest_memset(t->qs->qts, t->response_buf, QTM_UNTOUCHED,
                 2 * sizeof(struct virtio_tiermem_response));
    if (len) {
        qtest_memwrite(t->qs->qts, t->request_buf, bytes, len);
    }
    qvirtqueue_reset_pool(t->request_vq);
    head = t->request_vq->free_head;
    qtm_add(t, t->request_buf, len, piece, false, room);
    qtm_add(t, t->response_buf, room, piece, true, false);
    qvirtqueue_kick(t->qs->qts, t->dev, t->request_vq, head);
    qtm_wait(t, head);
    return qtm_answer(t);
}

QTiermemAnswer qtm_ask(QTiermem *t, const QTiermemAsk *ask)
{
    uint8_t bytes[sizeof(struct virtio_tiermem_request) +
                  QTM_ASK_RANGES * sizeof(struct virtio_tiermem_range)];
    const size_t len = qtm_encode(ask, bytes);

    return qtm_send(t, bytes, len, sizeof(struct virtio_tiermem_response), 0);
}

QTiermemAnswer qtm_surrender(QTiermem *t, unsigned tier, uint64_t addr,
                             uint64_t size)
{
    const QTiermemAsk ask = {
        .type = VIRTIO_TIERMEM_REQ_SURRENDER, .tier = tier,
        .num_ranges = 1, .ranges = { { addr, size } },
    };

    return qtm_ask(t, &ask);
}

QTiermemAnswer qtm_reclaim(QTiermem *t, unsigned tier, uint64_t addr,
                           uint64_t size, uint32_t flags)
{
    const QTiermemAsk ask = {
        .type = VIRTIO_TIERMEM_REQ_RECLAIM, .tier = tier, .flags = flags,
        .num_ranges = 1, .ranges = { { addr, size } },
    };

    return qtm_ask(t, &ask);
}

QDict *qtm_query(QTiermem *t)
{
    QDict *rsp = qtest_qmp(t->qs->qts, "{ 'execute': 'query-tiermem' }");
    QList *list = qdict_get_qlist(rsp, "return");
    QDict *info;

    g_assert_nonnull(list);
    g_assert_cmpint(qlist_size(list), ==, 1);
    info = qobject_to(QDict, qlist_peek(list));
    qobject_ref(info);
    qobject_unref(rsp);
    return info;
}

uint64_t qtm_resident(QTiermem *t, unsigned tier)
{
    QDict *info = qtm_query(t);
    const QListEntry *entry = qlist_first(qdict_get_qlist(info, "tiers"));
    uint64_t resident;

    while (tier--) {
        entry = qlist_next(entry);
    }
    resident = qdict_get_int(qobject_to(QDict, qlist_entry_obj(entry)),
                             "resident");
    qobject_unref(info);
    return resident;
}
