/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcase for virtio-tiermem
 *
 * Labels such as TM-DEV-REQ-1 name the statements of spec/virtio-tiermem.md (in
 * the virtio-tiermem project) that a test covers.
 */

#include "qemu/osdep.h"
#include <sys/resource.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/timer.h"
#include "libqos/virtio-tiermem.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_ids.h"
#include "standard-headers/linux/virtio_pci.h"

#define SURRENDER VIRTIO_TIERMEM_REQ_SURRENDER
#define RECLAIM VIRTIO_TIERMEM_REQ_RECLAIM
#define OOM VIRTIO_TIERMEM_REQ_F_OOM
#define RESPONSE_SIZE sizeof(struct virtio_tiermem_response)
#define MAX_RANGES VIRTIO_TIERMEM_MAX_RANGES

static void assert_answer(QTiermemAnswer answer, uint16_t status, uint32_t done,
                          uint64_t actual)
{
    g_assert_cmpint(answer.status, ==, status);
    g_assert_cmpint(answer.done, ==, done);
    g_assert_cmphex(answer.actual, ==, actual);
}

/* ---- The device and its configuration space ---- */

/* TM-DEV-FEAT-1 */
static void test_present(void)
{
    QTiermem *t = qtm_boot(QTM_MACHINE QTM_DEVICE);
    const uint64_t features = qvirtio_get_features(t->dev);

    g_assert_cmpint(t->dev->device_type, ==, VIRTIO_ID_TIERMEM);
    g_assert_true(features & (1ull << VIRTIO_F_VERSION_1));
    g_assert_true(features & QTM_FEATURE(STATS));
    g_assert_true(features & QTM_FEATURE(RECLAIM_ON_OOM));
    g_assert_true(features & QTM_FEATURE(QOS));
    qtm_free(t);
}

static bool all_zero(const void *memory, size_t size)
{
    const uint8_t *bytes = memory;

    while (size && !bytes[size - 1]) {
        size--;
    }
    return !size;
}

/* TM-DEV-CFG-3, TM-DEV-CFG-4, TM-DEV-CFG-5, TM-DEV-CFG-7, TM-DEV-CFG-8 */
static void check_tier(const struct virtio_tiermem_tier *tier)
{
    const uint64_t block = le64_to_cpu(tier->block_size);
    const uint32_t regions = le32_to_cpu(tier->num_regions);
    uint64_t sum = 0;
    uint32_t i;

    g_assert_cmpint(block, >=, 4096);
    g_assert_true(is_power_of_2(block));
    g_assert_cmpint(regions, >=, 1);
    g_assert_cmpint(regions, <=, VIRTIO_TIERMEM_MAX_REGIONS);
    for (i = 0; i < regions; i++) {
        const uint64_t addr = le64_to_cpu(tier->regions[i].addr);
        const uint64_t size = le64_to_cpu(tier->regions[i].size);

        g_assert_true(size && QEMU_IS_ALIGNED(addr | size, block));
        sum += size;
    }
    g_assert_cmphex(le64_to_cpu(tier->size), ==, sum);
    g_assert_cmphex(le64_to_cpu(tier->requested), <=, sum);
    g_assert_true(QEMU_IS_ALIGNED(le64_to_cpu(tier->requested), block));
    g_assert_true(all_zero(&tier->regions[regions],
                           (VIRTIO_TIERMEM_MAX_REGIONS - regions) *
                           sizeof(tier->regions[0])));
}

static void assert_region(const struct virtio_tiermem_region *region,
                          uint64_t addr, uint64_t size)
{
    g_assert_cmphex(le64_to_cpu(region->addr), ==, addr);
    g_assert_cmphex(le64_to_cpu(region->size), ==, size);
}

/*
 * TM-DEV-CFG-1, TM-DEV-CFG-2, TM-DEV-CFG-6, TM-DEV-CFG-9, TM-DEV-CFG-10,
 * TM-DEV-INIT-2
 */
static void test_config(void)
{
    QTiermem *t = qtm_new(",fast-quota=32M,slow-quota=48M");
    struct virtio_tiermem_config c;
    const struct virtio_tiermem_tier *fast = &c.tiers[QTM_FAST];
    const struct virtio_tiermem_tier *slow = &c.tiers[QTM_SLOW];

    qtm_config(t, &c);
    g_assert_cmpint(le32_to_cpu(c.num_tiers), ==, QTM_TIERS);
    g_assert_cmpint(le32_to_cpu(c.max_ranges), >=, 1);
    g_assert_cmpint(le32_to_cpu(c.max_ranges), <=, MAX_RANGES);
    check_tier(fast);
    check_tier(slow);
    g_assert_true(all_zero(c.reserved, sizeof(c.reserved)));
    g_assert_true(all_zero(&c.tiers[QTM_TIERS],
                           (VIRTIO_TIERMEM_MAX_TIERS - QTM_TIERS) *
                           sizeof(c.tiers[0])));

    g_assert_cmpint(le32_to_cpu(fast->num_regions), ==, 1);
    assert_region(&fast->regions[0], 0, QTM_TIER_SIZE);
    g_assert_cmpint(le32_to_cpu(slow->num_regions), ==, 2);
    assert_region(&slow->regions[0], QTM_SLOW_ADDR, 32 * MiB);
    assert_region(&slow->regions[1], QTM_HIGH_ADDR, 32 * MiB);
    g_assert_cmpint(le32_to_cpu(fast->node), ==, 0);
    g_assert_cmpint(le32_to_cpu(slow->node), ==, 1);
    g_assert_cmphex(le64_to_cpu(fast->requested), ==, 32 * MiB);
    g_assert_cmphex(le64_to_cpu(slow->requested), ==, 48 * MiB);
    g_assert_cmphex(le64_to_cpu(fast->actual), ==, QTM_TIER_SIZE);
    g_assert_cmphex(le64_to_cpu(slow->actual), ==, QTM_TIER_SIZE);
    qtm_free(t);
}

/* TM-DEV-CFG-14 */
static void test_config_is_read_only(void)
{
    QTiermem *t = qtm_new("");
    struct virtio_tiermem_config before, after;
    size_t i;

    qtm_config(t, &before);
    for (i = 0; i < sizeof(before); i += 4) {
        qpci_io_writel(t->pci->pdev, t->pci->bar,
                       t->pci->device_cfg_offset + i, 0x5a5a5a5a);
    }
    qtm_config(t, &after);
    g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
    qtm_free(t);
}

/* What the machine's HMAT says of the nodes is what the tiers say. */
static void test_performance(void)
{
    QTiermem *t = qtm_boot(
        QTM_PC("pc,hmat=on")
        "-object memory-backend-ram,id=fast,size=64M "
        "-object memory-backend-ram,id=slow,size=64M "
        "-numa node,nodeid=0,memdev=fast,cpus=0,initiator=0 "
        "-numa node,nodeid=1,memdev=slow,initiator=0 "
        "-numa hmat-lb,initiator=0,target=0,hierarchy=memory,"
        "data-type=access-latency,latency=80 "
        "-numa hmat-lb,initiator=0,target=0,hierarchy=memory,"
        "data-type=access-bandwidth,bandwidth=10G "
        "-numa hmat-lb,initiator=0,target=1,hierarchy=memory,"
        "data-type=access-latency,latency=200 "
        "-numa hmat-lb,initiator=0,target=1,hierarchy=memory,"
        "data-type=access-bandwidth,bandwidth=2G " QTM_DEVICE);
    struct virtio_tiermem_config c;

    qtm_start(t, 1ull << VIRTIO_F_VERSION_1);
    qtm_config(t, &c);
    g_assert_cmpint(le32_to_cpu(c.tiers[QTM_FAST].read_latency), ==, 80);
    g_assert_cmpint(le32_to_cpu(c.tiers[QTM_FAST].write_latency), ==, 80);
    g_assert_cmpint(le32_to_cpu(c.tiers[QTM_SLOW].read_latency), ==, 200);
    g_assert_cmpint(le64_to_cpu(c.tiers[QTM_FAST].read_bandwidth), ==,
                    10 * GiB);
    g_assert_cmpint(le64_to_cpu(c.tiers[QTM_SLOW].write_bandwidth), ==,
                    2 * GiB);
    qtm_free(t);
}

/* TM-DEV-FEAT-2, TM-DEV-OOM-2 */
static void test_feature_subsets(void)
{
    QTiermem *t = qtm_boot(QTM_MACHINE QTM_DEVICE ",fast-quota=32M");
    unsigned subset;

    for (subset = 0; subset < 8; subset++) {
        const bool oom = subset & QTM_FEATURE(RECLAIM_ON_OOM);

        qtm_start(t, 1ull << VIRTIO_F_VERSION_1 | subset);
        assert_answer(qtm_surrender(t, QTM_FAST, QTM_FAST_ADDR, 4 * MiB),
                      VIRTIO_TIERMEM_S_OK, 1, 60 * MiB);
        assert_answer(qtm_reclaim(t, QTM_FAST, QTM_FAST_ADDR, 4 * MiB, OOM),
                      oom ? VIRTIO_TIERMEM_S_OK :
                      VIRTIO_TIERMEM_S_INVALID_REQUEST,
                      oom, oom ? QTM_TIER_SIZE : 0);
        qtm_reset(t);
    }
    qtm_free(t);
}

/* A feature that the user has turned off is not offered. */
static void test_features_off(void)
{
    QTiermem *t = qtm_boot(QTM_MACHINE QTM_DEVICE
                           ",stats=off,reclaim-on-oom=off,qos=off");
    const uint64_t features = qvirtio_get_features(t->dev);

    g_assert_false(features & QTM_FEATURE(STATS));
    g_assert_false(features & QTM_FEATURE(RECLAIM_ON_OOM));
    g_assert_false(features & QTM_FEATURE(QOS));
    qtm_start(t, features);
    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 32 * MiB);
    qtm_free(t);
}

/* TM-DEV-ADDR-1 */
static void test_access_platform(void)
{
    QTiermem *t = qtm_new(",iommu_platform=on");

    g_assert_true(t->dev->features & (1ull << VIRTIO_F_ACCESS_PLATFORM));
    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 32 * MiB);
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB, 0),
                  VIRTIO_TIERMEM_S_OK, 1, QTM_TIER_SIZE);
    qtm_free(t);
}

/* ---- Requests that are carried out ---- */

/* TM-DEV-SUR-1, TM-DEV-REC-1, TM-DEV-REQ-15, TM-DEV-REQ-16, TM-DEV-REQ-17 */
static void test_surrender_reclaim(void)
{
    QTiermem *t = qtm_new("");
    const QTiermemAsk surrender = {
        .type = SURRENDER, .tier = QTM_SLOW, .num_ranges = 3,
        .ranges = {
            { QTM_SLOW_ADDR, 2 * MiB },
            { QTM_HIGH_ADDR + 8 * MiB, QTM_BLOCK },
            { QTM_HOLE_ADDR - QTM_BLOCK, QTM_BLOCK },
        },
    };
    const uint64_t left = QTM_TIER_SIZE - 2 * MiB - 2 * QTM_BLOCK;

    assert_answer(qtm_ask(t, &surrender), VIRTIO_TIERMEM_S_OK, 3, left);
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, left);
    g_assert_cmphex(qtm_actual(t, QTM_FAST), ==, QTM_TIER_SIZE);
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, MiB, 0),
                  VIRTIO_TIERMEM_S_OK, 1, left + MiB);
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, left + MiB);
    qtm_free(t);
}

/* TM-DEV-REC-5: surrendered as two ranges, reclaimed as one and in blocks */
static void test_reclaim_other_ranges(void)
{
    QTiermem *t = qtm_new("");

    qtm_surrender(t, QTM_FAST, QTM_FAST_ADDR, 4 * QTM_BLOCK);
    qtm_surrender(t, QTM_FAST, QTM_FAST_ADDR + 4 * QTM_BLOCK, 4 * QTM_BLOCK);
    assert_answer(qtm_reclaim(t, QTM_FAST, QTM_FAST_ADDR + 3 * QTM_BLOCK,
                              2 * QTM_BLOCK, 0),
                  VIRTIO_TIERMEM_S_OK, 1, QTM_TIER_SIZE - 6 * QTM_BLOCK);
    assert_answer(qtm_reclaim(t, QTM_FAST, QTM_FAST_ADDR, QTM_BLOCK, 0),
                  VIRTIO_TIERMEM_S_OK, 1, QTM_TIER_SIZE - 5 * QTM_BLOCK);
    assert_answer(qtm_reclaim(t, QTM_FAST, QTM_FAST_ADDR + QTM_BLOCK,
                              2 * QTM_BLOCK, 0),
                  VIRTIO_TIERMEM_S_OK, 1, QTM_TIER_SIZE - 3 * QTM_BLOCK);
    qtm_free(t);
}

/* TM-DEV-SUR-4, TM-DEV-QUOTA-2 */
static void test_surrender_below_quota(void)
{
    QTiermem *t = qtm_new(",slow-quota=62M");

    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 32 * MiB);
    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 0);
    g_assert_cmphex(qtm_requested(t, QTM_SLOW), ==, 62 * MiB);
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB, 0),
                  VIRTIO_TIERMEM_S_OK, 1, 32 * MiB);
    qtm_free(t);
}

/* TM-DEV-CFG-13 */
static void test_actual_is_not_notified(void)
{
    QTiermem *t = qtm_new("");

    qtm_config_changed(t);
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB);
    qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, MiB, 0);
    g_assert_false(qtm_config_changed(t));
    qtm_free(t);
}

/* The most ranges that a request can have, each one block. */
static void test_most_ranges(void)
{
    QTiermem *t = qtm_new("");
    const size_t len = 16 + MAX_RANGES * 16;
    g_autofree uint64_t *bytes = g_malloc0(len);
    QTiermemAsk ask = {
        .type = SURRENDER, .tier = QTM_SLOW, .num_ranges = MAX_RANGES,
    };
    size_t i;

    qtm_encode(&ask, bytes);
    for (i = 0; i < MAX_RANGES; i++) {
        bytes[2 + 2 * i] = cpu_to_le64(QTM_SLOW_ADDR + 2 * i * QTM_BLOCK);
        bytes[3 + 2 * i] = cpu_to_le64(QTM_BLOCK);
    }
    assert_answer(qtm_send(t, bytes, len, RESPONSE_SIZE, 0),
                  VIRTIO_TIERMEM_S_OK, MAX_RANGES,
                  QTM_TIER_SIZE - MAX_RANGES * QTM_BLOCK);
    qtm_free(t);
}

/* TM-DEV-REQ-21: any division into descriptors; TM-DEV-REQ-15: longer room */
static void test_framing(void)
{
    QTiermem *t = qtm_new("");
    QTiermemAsk ask = {
        .type = SURRENDER, .tier = QTM_SLOW, .num_ranges = 2,
        .ranges = { { QTM_SLOW_ADDR, MiB }, { QTM_HIGH_ADDR, MiB } },
    };
    static const size_t pieces[] = { 1, 3, 15, 16, 17, 32, 0 };
    uint8_t bytes[48];
    size_t i, len;

    for (i = 0; i < ARRAY_SIZE(pieces); i++) {
        ask.type = SURRENDER;
        len = qtm_encode(&ask, bytes);
        assert_answer(qtm_send(t, bytes, len, RESPONSE_SIZE, pieces[i]),
                      VIRTIO_TIERMEM_S_OK, 2, QTM_TIER_SIZE - 2 * MiB);
        ask.type = RECLAIM;
        qtm_encode(&ask, bytes);
        assert_answer(qtm_send(t, bytes, len, RESPONSE_SIZE + 16, pieces[i]),
                      VIRTIO_TIERMEM_S_OK, 2, QTM_TIER_SIZE);
    }
    qtm_free(t);
}

/* TM-DEV-REQ-20: several requests with one notification, in their order */
static void test_order_of_requests(void)
{
    QTiermem *t = qtm_new("");
    static const uint16_t types[] = {
        SURRENDER, RECLAIM, SURRENDER, SURRENDER,
    };
    static const uint16_t statuses[] = {
        VIRTIO_TIERMEM_S_OK, VIRTIO_TIERMEM_S_OK,
        VIRTIO_TIERMEM_S_OK, VIRTIO_TIERMEM_S_CONFLICT,
    };
    QTiermemAsk ask = {
        .tier = QTM_SLOW, .num_ranges = 1,
        .ranges = { { QTM_SLOW_ADDR, MiB } },
    };
    uint32_t heads[ARRAY_SIZE(types)];
    uint8_t bytes[32];
    size_t i;

    qvirtqueue_reset_pool(t->request_vq);
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        ask.type = types[i];
        qtm_encode(&ask, bytes);
        qtest_memwrite(t->qs->qts, t->request_buf + i * 32, bytes, 32);
        heads[i] = qvirtqueue_add(t->qs->qts, t->request_vq,
                                  t->request_buf + i * 32, 32, false, true);
        qvirtqueue_add(t->qs->qts, t->request_vq, t->response_buf + i * 16,
                       RESPONSE_SIZE, true, false);
        qtest_writew(t->qs->qts, t->request_vq->avail + 4 + 2 * i, heads[i]);
    }
    qtest_writew(t->qs->qts, t->request_vq->avail + 2, ARRAY_SIZE(types));
    t->dev->bus->virtqueue_kick(t->dev, t->request_vq);
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        qtm_wait(t, heads[i]);
        g_assert_cmpint(qtest_readw(t->qs->qts, t->response_buf + i * 16), ==,
                        statuses[i]);
    }
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, QTM_TIER_SIZE - MiB);
    qtm_free(t);
}

/* ---- Requests that are refused ---- */

/*
 * Each asks of a device where the first MiB of the slow tier is surrendered and
 * quotas are 32 MiB.
 */
typedef struct Refusal {
    const char *what;
    QTiermemAsk ask;
    uint16_t status;
} Refusal;

#define ONE(a, s) .num_ranges = 1, .ranges = { { a, s } }
#define TWO(a, s, b, r) .num_ranges = 2, .ranges = { { a, s }, { b, r } }
#define GOOD ONE(QTM_HIGH_ADDR, MiB)
#define WRAPPING (UINT64_MAX - QTM_HIGH_ADDR + 1)

static const Refusal refusals[] = {
    /* TM-DEV-REQ-5 */
    { "type 0", { .type = 0, .tier = QTM_SLOW, GOOD },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    { "type 3", { .type = 3, .tier = QTM_SLOW, GOOD },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    { "greatest type", { .type = UINT16_MAX, .tier = QTM_SLOW, GOOD },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    /* TM-DEV-REQ-6 */
    { "unknown flag", { .type = RECLAIM, .tier = QTM_SLOW, .flags = 2, GOOD },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    { "unknown flag beside OOM",
      { .type = RECLAIM, .tier = QTM_SLOW, .flags = OOM | 1u << 31,
        ONE(QTM_SLOW_ADDR, MiB) },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    /* TM-DEV-OOM-1 */
    { "surrender with OOM",
      { .type = SURRENDER, .tier = QTM_SLOW, .flags = OOM, GOOD },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    /* TM-DEV-REQ-7 */
    { "no range", { .type = SURRENDER, .tier = QTM_SLOW, .num_ranges = 0 },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    /* TM-DEV-REQ-8 */
    { "reserved", { .type = SURRENDER, .tier = QTM_SLOW, .reserved = 1, GOOD },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    /* TM-DEV-REQ-9 */
    { "tier 2", { .type = SURRENDER, .tier = QTM_TIERS, GOOD },
      VIRTIO_TIERMEM_S_INVALID_TIER },
    { "greatest tier", { .type = SURRENDER, .tier = UINT16_MAX, GOOD },
      VIRTIO_TIERMEM_S_INVALID_TIER },
    /* TM-DEV-REQ-10 */
    { "empty", { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_HIGH_ADDR, 0) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "empty, at the very end",
      { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_END_ADDR, 0) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    /* TM-DEV-REQ-11 */
    { "unaligned address",
      { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_HIGH_ADDR + 1, MiB) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "address in the middle of a block",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_HIGH_ADDR + QTM_BLOCK / 2, MiB) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "unaligned size",
      { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_HIGH_ADDR, MiB + 1) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "less than a block",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_HIGH_ADDR, QTM_BLOCK / 2) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    /* TM-DEV-REQ-12 */
    { "ends at 2^64",
      { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_HIGH_ADDR, WRAPPING) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "wraps into the fast tier",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_HIGH_ADDR, WRAPPING + QTM_FAST_ADDR) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "wraps onto itself",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_HIGH_ADDR + QTM_BLOCK, UINT64_MAX - QTM_BLOCK + 1) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    /* TM-DEV-REQ-13 */
    { "of the other tier",
      { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_FAST_ADDR, MiB) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "of no tier",
      { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_END_ADDR, MiB) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "across the tiers",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_SLOW_ADDR - QTM_BLOCK, 2 * QTM_BLOCK) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "begins in the tier below",
      { .type = SURRENDER, .tier = QTM_FAST,
        ONE(QTM_SLOW_ADDR - QTM_BLOCK, 2 * QTM_BLOCK) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "into the hole",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_HOLE_ADDR - QTM_BLOCK, 2 * QTM_BLOCK) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "out of the hole",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_HIGH_ADDR - QTM_BLOCK, 2 * QTM_BLOCK) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "across both regions of the tier",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_SLOW_ADDR + MiB, QTM_END_ADDR - QTM_SLOW_ADDR - MiB) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "past the end",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_END_ADDR - QTM_BLOCK, 2 * QTM_BLOCK) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "reclaim of what is no memory",
      { .type = RECLAIM, .tier = QTM_SLOW, ONE(QTM_END_ADDR, MiB) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    /* TM-DEV-REQ-14 */
    { "the same range twice",
      { .type = SURRENDER, .tier = QTM_SLOW,
        TWO(QTM_HIGH_ADDR, MiB, QTM_HIGH_ADDR, MiB) },
      VIRTIO_TIERMEM_S_CONFLICT },
    { "overlap by a block",
      { .type = SURRENDER, .tier = QTM_SLOW,
        TWO(QTM_HIGH_ADDR, MiB, QTM_HIGH_ADDR + MiB - QTM_BLOCK, MiB) },
      VIRTIO_TIERMEM_S_CONFLICT },
    { "one inside the other",
      { .type = SURRENDER, .tier = QTM_SLOW,
        TWO(QTM_HIGH_ADDR + QTM_BLOCK, QTM_BLOCK, QTM_HIGH_ADDR, MiB) },
      VIRTIO_TIERMEM_S_CONFLICT },
    { "overlap in a reclaim",
      { .type = RECLAIM, .tier = QTM_SLOW, .flags = OOM,
        TWO(QTM_SLOW_ADDR, MiB / 2, QTM_SLOW_ADDR + MiB / 4, MiB / 2) },
      VIRTIO_TIERMEM_S_CONFLICT },
    /* TM-DEV-SUR-2 */
    { "surrender again",
      { .type = SURRENDER, .tier = QTM_SLOW, ONE(QTM_SLOW_ADDR, MiB) },
      VIRTIO_TIERMEM_S_CONFLICT },
    { "surrender again in part",
      { .type = SURRENDER, .tier = QTM_SLOW,
        ONE(QTM_SLOW_ADDR + MiB - QTM_BLOCK, 2 * QTM_BLOCK) },
      VIRTIO_TIERMEM_S_CONFLICT },
    /* TM-DEV-REC-2 */
    { "reclaim of what is not surrendered",
      { .type = RECLAIM, .tier = QTM_SLOW, GOOD }, VIRTIO_TIERMEM_S_CONFLICT },
    { "reclaim of what is not, in part",
      { .type = RECLAIM, .tier = QTM_SLOW, .flags = OOM,
        ONE(QTM_SLOW_ADDR, MiB + QTM_BLOCK) },
      VIRTIO_TIERMEM_S_CONFLICT },
    /* TM-DEV-REC-3 */
    { "reclaim beyond the quota",
      { .type = RECLAIM, .tier = QTM_SLOW, ONE(QTM_SLOW_ADDR, QTM_BLOCK) },
      VIRTIO_TIERMEM_S_QUOTA },

    /* TM-DEV-REQ-1: of several errors, that of the smallest status */
    { "reserved before tier and range",
      { .type = SURRENDER, .tier = 7, .reserved = 1, ONE(1, 1) },
      VIRTIO_TIERMEM_S_INVALID_REQUEST },
    { "tier before range", { .type = SURRENDER, .tier = 7, ONE(1, 1) },
      VIRTIO_TIERMEM_S_INVALID_TIER },
    { "range before an earlier conflict",
      { .type = SURRENDER, .tier = QTM_SLOW,
        TWO(QTM_SLOW_ADDR, MiB, QTM_HIGH_ADDR, 1) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "conflict before quota",
      { .type = RECLAIM, .tier = QTM_SLOW,
        TWO(QTM_SLOW_ADDR, MiB, QTM_HIGH_ADDR, MiB) },
      VIRTIO_TIERMEM_S_CONFLICT },

    /* TM-DEV-REQ-2: the first range is right, a later one is not */
    { "second range unaligned",
      { .type = SURRENDER, .tier = QTM_SLOW,
        TWO(QTM_HIGH_ADDR, MiB, QTM_HIGH_ADDR + 2 * MiB, 1) },
      VIRTIO_TIERMEM_S_INVALID_RANGE },
    { "second range surrendered",
      { .type = SURRENDER, .tier = QTM_SLOW,
        TWO(QTM_HIGH_ADDR, MiB, QTM_SLOW_ADDR, QTM_BLOCK) },
      VIRTIO_TIERMEM_S_CONFLICT },
};

/* Where a refused request could do harm: what is in memory there is checked. */
#define PATTERN_SIZE (64 * KiB)
static const uint64_t pattern_addrs[] = {
    QTM_FAST_ADDR, QTM_SLOW_ADDR - PATTERN_SIZE, QTM_SLOW_ADDR + MiB,
    QTM_HOLE_ADDR - PATTERN_SIZE, QTM_HIGH_ADDR,
    QTM_HIGH_ADDR + MiB - PATTERN_SIZE, QTM_HIGH_ADDR + 2 * MiB,
    QTM_END_ADDR - PATTERN_SIZE,
};

static void fill_pattern(QTiermem *t, uint64_t addr, size_t size)
{
    g_autofree uint64_t *words = g_malloc(size);
    size_t i;

    for (i = 0; i < size / 8; i++) {
        words[i] = addr + 8 * i + 1;
    }
    qtest_bufwrite(t->qs->qts, addr, words, size);
}

static bool has_pattern(QTiermem *t, uint64_t addr, size_t size)
{
    g_autofree uint64_t *words = g_malloc(size);
    size_t i;

    qtest_bufread(t->qs->qts, addr, words, size);
    for (i = 0; i < size / 8; i++) {
        if (words[i] != addr + 8 * i + 1) {
            return false;
        }
    }
    return true;
}

static QTiermem *new_for_refusals(void)
{
    QTiermem *t = qtm_new(",fast-quota=32M,slow-quota=32M");
    size_t i;

    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 63 * MiB);
    for (i = 0; i < ARRAY_SIZE(pattern_addrs); i++) {
        fill_pattern(t, pattern_addrs[i], PATTERN_SIZE);
    }
    return t;
}

/* TM-DEV-REQ-3: nothing has changed, neither in numbers nor in memory. */
static void assert_nothing_done(QTiermem *t)
{
    size_t i;

    g_assert_cmphex(qtm_actual(t, QTM_FAST), ==, 64 * MiB);
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, 63 * MiB);
    g_assert_cmphex(qtm_requested(t, QTM_FAST), ==, 32 * MiB);
    g_assert_cmphex(qtm_requested(t, QTM_SLOW), ==, 32 * MiB);
    g_assert_false(qtm_needs_reset(t));
    for (i = 0; i < ARRAY_SIZE(pattern_addrs); i++) {
        g_assert_true(has_pattern(t, pattern_addrs[i], PATTERN_SIZE));
    }
}

/* TM-DEV-REQ-18 */
static uint64_t actual_of_refusal(const Refusal *refusal)
{
    if (refusal->status <= VIRTIO_TIERMEM_S_INVALID_TIER) {
        return 0;
    }
    return refusal->ask.tier == QTM_SLOW ? 63 * MiB : 64 * MiB;
}

/* TM-DEV-REQ-3, TM-DEV-REQ-17, TM-DEV-REQ-18, TM-DEV-REC-4 */
static void test_refusals(void)
{
    QTiermem *t = new_for_refusals();
    size_t i;

    for (i = 0; i < ARRAY_SIZE(refusals); i++) {
        g_test_message("%s", refusals[i].what);
        assert_answer(qtm_ask(t, &refusals[i].ask), refusals[i].status, 0,
                      actual_of_refusal(&refusals[i]));
        assert_nothing_done(t);
    }
    qtm_free(t);
}

/* TM-DEV-REQ-4, TM-DEV-REQ-7: all lengths that do not fit the ranges */
static void test_lengths(void)
{
    QTiermem *t = new_for_refusals();
    QTiermemAsk ask = {
        .type = SURRENDER, .tier = QTM_SLOW, .num_ranges = 2,
        .ranges = { { QTM_HIGH_ADDR, MiB }, { QTM_HIGH_ADDR + MiB, MiB } },
    };
    g_autofree uint8_t *bytes = g_malloc0(48 * KiB);
    static const size_t lengths[] = {
        0, 1, 15, 16, 17, 31, 32, 33, 47, 49, 64, 16 + 16 * MAX_RANGES,
        17 + 16 * MAX_RANGES, 32 + 16 * MAX_RANGES, 48 * KiB,
    };
    static const uint32_t counts[] = {
        0, 1, 3, MAX_RANGES, MAX_RANGES + 1, 1u << 28, (1u << 28) + 2,
        UINT32_MAX,
    };
    size_t i;

    qtm_encode(&ask, bytes);
    for (i = 0; i < ARRAY_SIZE(lengths); i++) {
        assert_answer(qtm_send(t, bytes, lengths[i], RESPONSE_SIZE, 0),
                      VIRTIO_TIERMEM_S_INVALID_REQUEST, 0, 0);
    }
    for (i = 0; i < ARRAY_SIZE(counts); i++) {
        stl_le_p(bytes + offsetof(struct virtio_tiermem_request, num_ranges),
                 counts[i]);
        assert_answer(qtm_send(t, bytes, 48, RESPONSE_SIZE, 0),
                      VIRTIO_TIERMEM_S_INVALID_REQUEST, 0, 0);
    }
    /* One more range than is allowed, with a length that fits. */
    stl_le_p(bytes + offsetof(struct virtio_tiermem_request, num_ranges),
             MAX_RANGES + 1);
    assert_answer(qtm_send(t, bytes, 32 + 16 * MAX_RANGES, RESPONSE_SIZE, 0),
                  VIRTIO_TIERMEM_S_INVALID_REQUEST, 0, 0);
    assert_nothing_done(t);
    qtm_free(t);
}

/* TM-DEV-REC-3, TM-DEV-OOM-3, TM-DEV-QUOTA-2 */
static void test_quota_bounds_reclaim(void)
{
    QTiermem *t = qtm_new(",slow-quota=32M");

    qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB);
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 2 * MiB);
    /* Up to the quota, not a block more. */
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_HIGH_ADDR, 2 * MiB + QTM_BLOCK,
                              0),
                  VIRTIO_TIERMEM_S_QUOTA, 0, 30 * MiB);
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_HIGH_ADDR, 2 * MiB, 0),
                  VIRTIO_TIERMEM_S_OK, 1, 32 * MiB);
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, QTM_BLOCK, 0),
                  VIRTIO_TIERMEM_S_QUOTA, 0, 32 * MiB);
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, 2 * MiB, OOM),
                  VIRTIO_TIERMEM_S_OK, 1, 34 * MiB);
    g_assert_cmphex(qtm_requested(t, QTM_SLOW), ==, 32 * MiB);
    qtm_free(t);
}

static uint16_t used_index(QTiermem *t, QVirtQueue *vq)
{
    return qtest_readw(t->qs->qts, vq->used + 2);
}

/* Wait until the device has given up or has used the first buffer. */
static void wait_end(QTiermem *t)
{
    const gint64 start = g_get_monotonic_time();

    while (!qtm_needs_reset(t) && !used_index(t, t->request_vq)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 30 * 1000 * 1000);
        g_usleep(1000);
    }
}

/* Whether the device answers again after the driver has reset it. */
static void assert_recovers(QTiermem *t)
{
    qtm_reset(t);
    g_assert_false(qtm_needs_reset(t));
    qtm_start(t, 1ull << VIRTIO_F_VERSION_1);
    assert_answer(qtm_surrender(t, QTM_FAST, QTM_FAST_ADDR, MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 63 * MiB);
}

/* TM-DEV-REQ-19 */
static void test_no_room(void)
{
    QTiermem *t = new_for_refusals();
    const QTiermemAsk ask = { .type = SURRENDER, .tier = QTM_SLOW, GOOD };
    uint8_t bytes[32];
    uint32_t room, head;

    for (room = 0; room < RESPONSE_SIZE; room += 5) {
        qtm_reset(t);
        qtm_start(t, 1ull << VIRTIO_F_VERSION_1);
        qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB);
        qtm_encode(&ask, bytes);
        qtest_memwrite(t->qs->qts, t->request_buf, bytes, sizeof(bytes));
        qvirtqueue_reset_pool(t->request_vq);
        head = qvirtqueue_add(t->qs->qts, t->request_vq, t->request_buf,
                              sizeof(bytes), false, room);
        if (room) {
            qvirtqueue_add(t->qs->qts, t->request_vq, t->response_buf, room,
                           true, false);
        }
        qvirtqueue_kick(t->qs->qts, t->dev, t->request_vq, head);
        while (!qtm_needs_reset(t)) {
            g_assert_cmpint(used_index(t, t->request_vq), ==, 1);
        }
        g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, 63 * MiB);
        g_assert_true(has_pattern(t, QTM_HIGH_ADDR, PATTERN_SIZE));
        assert_recovers(t);
    }
    qtm_free(t);
}

/* Write a descriptor of the request queue. */
static void set_desc(QTiermem *t, unsigned i, uint64_t addr, uint32_t len,
                     uint16_t flags, uint16_t next)
{
    const uint64_t desc = t->request_vq->desc + 16 * i;

    qtest_writeq(t->qs->qts, desc, addr);
    qtest_writel(t->qs->qts, desc + 8, len);
    qtest_writew(t->qs->qts, desc + 12, flags);
    qtest_writew(t->qs->qts, desc + 14, next);
}

static void endless_chain(QTiermem *t)
{
    set_desc(t, 0, t->request_buf, 16, VRING_DESC_F_NEXT, 0);
}

static void endless_writable_chain(QTiermem *t)
{
    set_desc(t, 0, t->request_buf, 16, VRING_DESC_F_NEXT, 1);
    set_desc(t, 1, t->response_buf, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
             1);
}

static void descriptor_out_of_bounds(QTiermem *t)
{
    set_desc(t, 0, t->request_buf, 16, VRING_DESC_F_NEXT, UINT16_MAX);
}

/* Reads as zeros or not at all: both are for the device to survive. */
static void not_memory(QTiermem *t)
{
    set_desc(t, 0, 1ull << 50, 32, VRING_DESC_F_NEXT, 1);
    set_desc(t, 1, t->response_buf, 16, VRING_DESC_F_WRITE, 0);
}

static void address_wraps(QTiermem *t)
{
    set_desc(t, 0, UINT64_MAX - 15, 32, VRING_DESC_F_NEXT, 1);
    set_desc(t, 1, t->response_buf, 16, VRING_DESC_F_WRITE, 0);
}

static void readable_after_writable(QTiermem *t)
{
    set_desc(t, 0, t->response_buf, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
             1);
    set_desc(t, 1, t->request_buf, 32, 0, 0);
}

static void empty_descriptor(QTiermem *t)
{
    set_desc(t, 0, t->request_buf, 0, VRING_DESC_F_NEXT, 1);
    set_desc(t, 1, t->response_buf, 16, VRING_DESC_F_WRITE, 0);
}

static void endless_indirect(QTiermem *t)
{
    set_desc(t, 0, t->request_vq->desc, 16 * t->request_vq->size,
             VRING_DESC_F_INDIRECT, 0);
}

static void (*const broken_chains[])(QTiermem *) = {
    endless_chain, endless_writable_chain, descriptor_out_of_bounds, not_memory,
    address_wraps, readable_after_writable, empty_descriptor, endless_indirect,
};

/* The virtqueue's own rules broken: QEMU stays up, nothing is discarded. */
static void test_broken_chains(void)
{
    QTiermem *t = new_for_refusals();
    size_t i;

    for (i = 0; i < ARRAY_SIZE(broken_chains); i++) {
        g_test_message("broken chain %zu", i);
        qtm_reset(t);
        qtm_start(t, 1ull << VIRTIO_F_VERSION_1 |
                     1ull << VIRTIO_RING_F_INDIRECT_DESC);
        broken_chains[i](t);
        qvirtqueue_kick(t->qs->qts, t->dev, t->request_vq, 0);
        wait_end(t);
        if (!qtm_needs_reset(t)) {
            g_assert_cmpint(qtest_readw(t->qs->qts, t->response_buf), ==,
                            VIRTIO_TIERMEM_S_INVALID_REQUEST);
        }
        g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, QTM_TIER_SIZE);
        g_assert_true(has_pattern(t, QTM_HIGH_ADDR, PATTERN_SIZE));
        assert_recovers(t);
    }
    qtm_free(t);
}

/* The longest chain that is allowed, of gigabytes: answered, not copied. */
static void test_huge_chain(void)
{
    QTiermem *t = new_for_refusals();
    const unsigned last = t->request_vq->size - 1;
    unsigned i;

    for (i = 0; i < last; i++) {
        set_desc(t, i, QTM_SLOW_ADDR, 32 * MiB, VRING_DESC_F_NEXT, i + 1);
    }
    set_desc(t, last, t->response_buf, RESPONSE_SIZE, VRING_DESC_F_WRITE, 0);
    qvirtqueue_kick(t->qs->qts, t->dev, t->request_vq, 0);
    qtm_wait(t, 0);
    g_assert_cmpint(qtest_readw(t->qs->qts, t->response_buf), ==,
                    VIRTIO_TIERMEM_S_INVALID_REQUEST);
    assert_nothing_done(t);
    qtm_free(t);
}

/* TM-DEV-INIT-1: buffers of both queues wait for DRIVER_OK */
static void test_before_driver_ok(void)
{
    QTiermem *t = qtm_boot(QTM_MACHINE QTM_DEVICE);
    const QTiermemAsk ask = { .type = SURRENDER, .tier = QTM_SLOW, GOOD };
    uint8_t bytes[32];
    QVirtQueue *queues[2];
    uint32_t head;
    size_t i;

    qtm_negotiate(t, 1ull << VIRTIO_F_VERSION_1 | QTM_FEATURE(STATS));
    queues[0] = t->request_vq;
    queues[1] = t->stats_vq;
    fill_pattern(t, QTM_HIGH_ADDR, MiB);
    qtm_encode(&ask, bytes);
    qtest_memwrite(t->qs->qts, t->request_buf, bytes, sizeof(bytes));
    for (i = 0; i < ARRAY_SIZE(queues); i++) {
        head = qvirtqueue_add(t->qs->qts, queues[i], t->request_buf,
                              sizeof(bytes), false, i == 0);
        if (i == 0) {
            qvirtqueue_add(t->qs->qts, queues[i], t->response_buf,
                           RESPONSE_SIZE, true, false);
        }
        qvirtqueue_kick(t->qs->qts, t->dev, queues[i], head);
        /* Two monitor commands: the main loop has handled what there was. */
        qobject_unref(qtm_query(t));
        qobject_unref(qtm_query(t));
        g_assert_cmpint(used_index(t, queues[i]), ==, 0);
    }
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, QTM_TIER_SIZE);
    g_assert_true(has_pattern(t, QTM_HIGH_ADDR, MiB));
    qtm_free(t);
}

/* ---- Host memory ---- */

#define DISCARD_SIZE (4 * MiB)

static const char *const backends[] = {
    "memory-backend-ram", "memory-backend-ram,share=on", "memory-backend-memfd",
};

/*
 * TM-DEV-SUR-3, TM-DEV-SUR-7, TM-DEV-SUR-8: what was named is given back to the
 * host, its neighbours are not touched, and it may be accessed all the same
 */
static void test_discard(const void *data)
{
    const char *backend = data;
    g_autofree char *machine = g_strdup_printf(
        QTM_PC("pc") "-object %s,id=fast,size=64M "
        "-object %s,id=slow,size=64M " QTM_NODES, backend, backend);
    QTiermem *t = qtm_boot("%s" QTM_DEVICE, machine);
    const QTiermemAsk ask = {
        .type = SURRENDER, .tier = QTM_SLOW, .num_ranges = 2,
        .ranges = {
            { QTM_HIGH_ADDR + 3 * QTM_BLOCK, 2 * QTM_BLOCK },
            { QTM_HIGH_ADDR + 2 * MiB, MiB },
        },
    };
    uint64_t before;

    qtm_start(t, 1ull << VIRTIO_F_VERSION_1);
    fill_pattern(t, QTM_HIGH_ADDR, DISCARD_SIZE);
    fill_pattern(t, QTM_SLOW_ADDR, DISCARD_SIZE);
    before = qtm_resident(t, QTM_SLOW);
    g_assert_cmpint(before, >=, 2 * DISCARD_SIZE);
    assert_answer(qtm_ask(t, &ask), VIRTIO_TIERMEM_S_OK, 2,
                  QTM_TIER_SIZE - MiB - 2 * QTM_BLOCK);
    g_assert_cmpint(qtm_resident(t, QTM_SLOW), ==,
                    before - MiB - 2 * QTM_BLOCK);

    g_assert_true(has_pattern(t, QTM_HIGH_ADDR, 3 * QTM_BLOCK));
    g_assert_true(has_pattern(t, QTM_HIGH_ADDR + 5 * QTM_BLOCK,
                              2 * MiB - 5 * QTM_BLOCK));
    g_assert_true(has_pattern(t, QTM_HIGH_ADDR + 3 * MiB, MiB));
    g_assert_true(has_pattern(t, QTM_SLOW_ADDR, DISCARD_SIZE));
    g_assert_false(has_pattern(t, QTM_HIGH_ADDR + 3 * QTM_BLOCK, QTM_BLOCK));
    g_assert_false(has_pattern(t, QTM_HIGH_ADDR + 2 * MiB, QTM_BLOCK));

    fill_pattern(t, QTM_HIGH_ADDR + 2 * MiB, QTM_BLOCK);
    g_assert_true(has_pattern(t, QTM_HIGH_ADDR + 2 * MiB, QTM_BLOCK));
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_HIGH_ADDR + 2 * MiB, MiB, 0),
                  VIRTIO_TIERMEM_S_OK, 1, QTM_TIER_SIZE - 2 * QTM_BLOCK);
    qtm_free(t);
}

/* Whether QEMU, as a child of this process, may lock its memory. */
static bool may_lock_memory(void)
{
    struct rlimit limit;

    return geteuid() == 0 || (!getrlimit(RLIMIT_MEMLOCK, &limit) &&
                              limit.rlim_cur == RLIM_INFINITY);
}

/* TM-DEV-SUR-6, TM-DEV-REC-4: locked memory cannot be given back */
static void test_host_fails(void)
{
    QTiermem *t;
    const QTiermemAsk ask = {
        .type = SURRENDER, .tier = QTM_SLOW,
        TWO(QTM_HIGH_ADDR, MiB, QTM_HIGH_ADDR + MiB, MiB),
    };

    if (!may_lock_memory()) {
        g_test_skip("RLIMIT_MEMLOCK does not let QEMU lock its memory");
        return;
    }
    t = qtm_boot(QTM_MACHINE "-overcommit mem-lock=on " QTM_DEVICE);
    qtm_start(t, 1ull << VIRTIO_F_VERSION_1);
    fill_pattern(t, QTM_HIGH_ADDR, 2 * MiB);
    assert_answer(qtm_ask(t, &ask), VIRTIO_TIERMEM_S_ERROR, 0, 64 * MiB);
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, 64 * MiB);
    g_assert_true(has_pattern(t, QTM_HIGH_ADDR, 2 * MiB));
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_HIGH_ADDR, MiB, 0),
                  VIRTIO_TIERMEM_S_CONFLICT, 0, 64 * MiB);
    qtm_free(t);
}

/*
 * TM-DEV-SUR-5, TM-DEV-REC-4: while a background snapshot is taken, memory must
 * stay where it is
 */
static void test_host_busy(void)
{
    QTiermem *t = qtm_new("");
    QTestState *qts = t->qs->qts;
    QDict *rsp = qtest_qmp(qts,
        "{ 'execute': 'migrate-set-capabilities', 'arguments': {"
        "  'capabilities': [ { 'capability': 'background-snapshot',"
        "                      'state': true } ] } }");
    const bool possible = qdict_haskey(rsp, "return");

    qobject_unref(rsp);
    if (!possible) {
        g_test_skip("the host kernel has no userfaultfd write protection");
        qtm_free(t);
        return;
    }
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB);
    fill_pattern(t, QTM_FAST_ADDR, DISCARD_SIZE);
    /* Read slowly, so that it is under way until the test ends it. */
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate', 'arguments': {"
                             "  'uri': %s } }",
                             "exec:while [ $(dd bs=4k count=1 2>/dev/null | "
                             "wc -c) -gt 0 ]; do sleep 0.01; done");
    qtest_qmp_eventwait(qts, "RESUME");
    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, MiB),
                  VIRTIO_TIERMEM_S_BUSY, 0, 63 * MiB);
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, 63 * MiB);
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, MiB, 0),
                  VIRTIO_TIERMEM_S_OK, 1, 64 * MiB);
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate_cancel' }");
    qtm_free(t);
}

/* ---- Quotas and quality of service by QMP ---- */

#define SET_QUOTA(tiers) \
    "{ 'execute': 'tiermem-set-quota', 'arguments': { 'id': 'tm0', " \
    "'tiers': [ " tiers " ] } }"
#define SET_QOS(args) \
    "{ 'execute': 'tiermem-set-qos', 'arguments': { 'id': 'tm0', " args " } }"

/* TM-DEV-QUOTA-1, TM-DEV-QUOTA-3, TM-DEV-CFG-12, TM-DEV-CFG-8 */
static void test_set_quota(void)
{
    QTiermem *t = qtm_new("");
    QTestState *qts = t->qs->qts;
    struct virtio_tiermem_config c;

    qtm_config_changed(t);
    qtest_qmp_assert_success(qts, SET_QUOTA("{ 'tier': 0, 'size': 33554432 },"
                                            "{ 'tier': 1, 'size': 50331648 }"));
    g_assert_true(qtm_config_changed(t));
    g_assert_false(qtm_config_changed(t));
    g_assert_cmphex(qtm_requested(t, QTM_FAST), ==, 32 * MiB);
    g_assert_cmphex(qtm_requested(t, QTM_SLOW), ==, 48 * MiB);

    /* A tier that is not named keeps its quota. */
    qtest_qmp_assert_success(qts, SET_QUOTA("{ 'tier': 1, 'size': 4096 }"));
    g_assert_true(qtm_config_changed(t));
    g_assert_cmphex(qtm_requested(t, QTM_FAST), ==, 32 * MiB);
    g_assert_cmphex(qtm_requested(t, QTM_SLOW), ==, 4096);
    g_assert_cmphex(qtm_actual(t, QTM_SLOW), ==, QTM_TIER_SIZE);
    qtm_config(t, &c);
    check_tier(&c.tiers[QTM_SLOW]);
    qtm_free(t);
}

/* The same through a property, and what it says. */
static void test_quota_property(void)
{
    QTiermem *t = qtm_new("");
    QTestState *qts = t->qs->qts;
    QDict *rsp;

    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
        "  'path': '/machine/peripheral/tm0', 'property': 'slow-quota',"
        "  'value': 16777216 } }");
    g_assert_true(qtm_config_changed(t));
    g_assert_cmphex(qtm_requested(t, QTM_SLOW), ==, 16 * MiB);
    rsp = qtest_qmp(qts, "{ 'execute': 'qom-get', 'arguments': {"
        "  'path': '/machine/peripheral/tm0', 'property': 'slow-quota' } }");
    g_assert_cmpint(qdict_get_int(rsp, "return"), ==, 16 * MiB);
    qobject_unref(rsp);
    rsp = qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
        "  'path': '/machine/peripheral/tm0', 'property': 'slow-quota',"
        "  'value': 67112960 } }");
    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                          "desc"), "slow-quota"));
    qobject_unref(rsp);
    g_assert_cmphex(qtm_requested(t, QTM_SLOW), ==, 16 * MiB);
    qtm_free(t);
}

/* TM-DEV-QOS-1, TM-DEV-QOS-2, TM-DEV-QOS-3, TM-DEV-QOS-4, TM-DEV-CFG-12 */
static void test_set_qos(void)
{
    QTiermem *t = qtm_new("");
    struct virtio_tiermem_config c;

    qtm_config(t, &c);
    g_assert_cmpint(le32_to_cpu(c.qos.qos_class), <=,
                    VIRTIO_TIERMEM_QOS_BEST_EFFORT);
    g_assert_cmpint(le32_to_cpu(c.qos.weight), >=, 1);
    g_assert_cmpint(le32_to_cpu(c.qos.weight), <=, VIRTIO_TIERMEM_MAX_WEIGHT);
    g_assert_cmpint(le32_to_cpu(c.qos.cpu_budget), <=,
                    VIRTIO_TIERMEM_MAX_CPU_BUDGET);
    qtm_config_changed(t);
    qtest_qmp_assert_success(t->qs->qts, SET_QOS(
        "'class': 'best-effort', 'weight': 10000, 'fast-min': 67108864,"
        "'migration-bandwidth': 1000000, 'cpu-budget': 1000"));
    g_assert_true(qtm_config_changed(t));
    qtm_config(t, &c);
    g_assert_cmpint(le32_to_cpu(c.qos.qos_class), ==,
                    VIRTIO_TIERMEM_QOS_BEST_EFFORT);
    g_assert_cmpint(le32_to_cpu(c.qos.weight), ==, 10000);
    g_assert_cmpint(le64_to_cpu(c.qos.fast_min), ==, QTM_TIER_SIZE);
    g_assert_cmpint(le64_to_cpu(c.qos.migration_bandwidth), ==, 1000000);
    g_assert_cmpint(le32_to_cpu(c.qos.cpu_budget), ==, 1000);
    qtm_free(t);
}

/* TM-DEV-CFG-11: what is constant is so, whatever happens at run time */
static void test_constants(void)
{
    QTiermem *t = qtm_new("");
    struct virtio_tiermem_config before, after;
    size_t i;

    qtm_config(t, &before);
    qtest_qmp_assert_success(t->qs->qts,
                             SET_QUOTA("{ 'tier': 0, 'size': 4096 }"));
    qtest_qmp_assert_success(t->qs->qts, SET_QOS("'weight': 7"));
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB);
    qtm_config(t, &after);
    after.qos = before.qos;
    for (i = 0; i < VIRTIO_TIERMEM_MAX_TIERS; i++) {
        after.tiers[i].requested = before.tiers[i].requested;
        after.tiers[i].actual = before.tiers[i].actual;
    }
    g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
    qtm_free(t);
}

/* A command that is refused, and what the error has to name. */
typedef struct BadCommand {
    const char *command;
    const char *named[4];
} BadCommand;

static const BadCommand bad_commands[] = {
    { "{ 'execute': 'tiermem-set-quota', 'arguments': { 'id': 'tm1',"
      "  'tiers': [ { 'tier': 0, 'size': 4096 } ] } }", { "tm1" } },
    { "{ 'execute': 'tiermem-set-quota', 'arguments': { 'id': '',"
      "  'tiers': [ { 'tier': 0, 'size': 4096 } ] } }", { "id" } },
    { "{ 'execute': 'tiermem-set-qos', 'arguments': { 'id': 'nobody' } }",
      { "nobody" } },
    { SET_QUOTA(""), { "tiers" } },
    { SET_QUOTA("{ 'tier': 2, 'size': 4096 }"), { "tier", "2", "0", "1" } },
    { SET_QUOTA("{ 'tier': 4294967295, 'size': 4096 }"),
      { "tier", "4294967295" } },
    { SET_QUOTA("{ 'tier': 4294967296, 'size': 4096 }"), { "tier" } },
    { SET_QUOTA("{ 'tier': -1, 'size': 4096 }"), { "tier" } },
    { SET_QUOTA("{ 'tier': 0, 'size': 67112960 }"),
      { "fast-quota", "67112960", "67108864" } },
    { SET_QUOTA("{ 'tier': 1, 'size': 18446744073709547520 }"),
      { "slow-quota", "18446744073709547520", "67108864" } },
    /* A negative size counts as one of nearly 2^64. */
    { SET_QUOTA("{ 'tier': 1, 'size': -4096 }"), { "slow-quota", "67108864" } },
    { SET_QUOTA("{ 'tier': 1, 'size': 36893488147419103232 }"), { "size" } },
    { SET_QUOTA("{ 'tier': 0, 'size': 8384512 }"),
      { "fast-quota", "8384512", "fast-min", "8388608" } },
    { SET_QUOTA("{ 'tier': 1, 'size': 4097 }"),
      { "slow-quota", "4097", "4096" } },
    { SET_QUOTA("{ 'tier': 1, 'size': 4096 }, { 'tier': 1, 'size': 8192 }"),
      { "tier", "1", "twice" } },
    /* The first is right: nothing of the call may be done. */
    { SET_QUOTA("{ 'tier': 1, 'size': 8192 }, { 'tier': 0, 'size': 1 }"),
      { "fast-quota" } },
    { SET_QUOTA("{ 'tier': 1, 'size': 8192 }, { 'tier': 5, 'size': 4096 }"),
      { "tier", "5" } },
    { "{ 'execute': 'tiermem-set-quota', 'arguments': { 'id': 'tm0',"
      "  'tiers': [ { 'tier': 1, 'size': 4096 } ], 'deadline-ms': -1 } }",
      { "deadline-ms" } },
    { SET_QOS("'class': 'royal'"), { "class", "royal" } },
    { SET_QOS("'weight': 0"), { "weight", "0", "1", "10000" } },
    { SET_QOS("'weight': 10001"), { "weight", "10001", "10000" } },
    { SET_QOS("'cpu-budget': 1001"), { "cpu-budget", "1001", "1000" } },
    { SET_QOS("'fast-min': 33558528"),
      { "fast-min", "33558528", "fast-quota", "33554432" } },
    { SET_QOS("'fast-min': -1"), { "fast-min" } },
    { SET_QOS("'migration-bandwidth': -1"), { "migration-bandwidth" } },
    { SET_QOS("'class': 'guaranteed', 'weight': 0"), { "weight" } },
};

/* An answer of query-tiermem without what changes by itself. */
static char *state_text(QTiermem *t)
{
    QDict *info = qtm_query(t);
    const QListEntry *entry;
    GString *text;
    char *result;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "tiers"), entry) {
        qdict_del(qobject_to(QDict, qlist_entry_obj(entry)), "resident");
    }
    qdict_del(info, "stats");
    text = qobject_to_json(QOBJECT(info));
    result = g_strdup(text->str);
    g_string_free(text, true);
    qobject_unref(info);
    return result;
}

static void test_bad_commands(void)
{
    QTiermem *t = qtm_new(",fast-quota=32M,slow-quota=32M,fast-min=8M");
    g_autofree char *before = state_text(t);
    size_t i, n;

    qtm_config_changed(t);
    for (i = 0; i < ARRAY_SIZE(bad_commands); i++) {
        const BadCommand *bad = &bad_commands[i];
        QDict *rsp = qtest_qmp(t->qs->qts, "%p",
                               qobject_from_json(bad->command, &error_abort));
        g_autofree char *after = state_text(t);
        const char *desc;

        desc = qdict_haskey(rsp, "error") ?
               qdict_get_str(qdict_get_qdict(rsp, "error"), "desc") :
               "accepted";
        g_test_message("%s -> %s", bad->command, desc);
        for (n = 0; n < ARRAY_SIZE(bad->named) && bad->named[n]; n++) {
            g_assert_nonnull(strstr(desc, bad->named[n]));
        }
        g_assert_cmpstr(before, ==, after);
        g_assert_false(qtm_config_changed(t));
        qobject_unref(rsp);
    }
    qtm_free(t);
}

static QDict *event_data(QTiermem *t, const char *name)
{
    QDict *event = qtest_qmp_eventwait_ref(t->qs->qts, name);
    QDict *data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "id"), ==, "tm0");
    qobject_ref(data);
    qobject_unref(event);
    return data;
}

static void assert_event(QTiermem *t, const char *name, unsigned tier,
                         uint64_t requested, uint64_t actual)
{
    QDict *data = event_data(t, name);

    g_assert_cmpint(qdict_get_int(data, "tier"), ==, tier);
    g_assert_cmpint(qdict_get_int(data, "requested"), ==, requested);
    g_assert_cmpint(qdict_get_int(data, "actual"), ==, actual);
    qobject_unref(data);
}

static void test_events(void)
{
    QTiermem *t = qtm_new(",slow-quota=63M");
    QDict *data;

    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB);
    assert_event(t, "TIERMEM_QUOTA_CHANGE", QTM_SLOW, 63 * MiB, 63 * MiB);
    qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, MiB, OOM);
    assert_event(t, "TIERMEM_GUEST_OOM", QTM_SLOW, 63 * MiB, 64 * MiB);
    qtm_surrender(t, QTM_TIERS, QTM_SLOW_ADDR, MiB);
    data = event_data(t, "TIERMEM_GUEST_ERROR");
    g_assert_cmpint(strlen(qdict_get_str(data, "reason")), >, 0);
    qobject_unref(data);
    qtm_free(t);
}

/* A deadline that is missed is told; one that is kept is not. */
static void test_deadline(void)
{
    QTiermem *t = qtm_new("");
    QTestState *qts = t->qs->qts;

    qtest_qmp_assert_success(qts, "{ 'execute': 'tiermem-set-quota',"
        "'arguments': { 'id': 'tm0', 'deadline-ms': 100,"
        "'tiers': [ { 'tier': 1, 'size': 33554432 } ] } }");
    qtest_clock_step(qts, 99 * 1000 * 1000);
    g_assert_null(qtest_qmp_event_ref(qts, "TIERMEM_QUOTA_MISSED"));
    qtest_clock_step(qts, 2 * 1000 * 1000);
    assert_event(t, "TIERMEM_QUOTA_MISSED", QTM_SLOW, 32 * MiB, 64 * MiB);

    qtest_qmp_assert_success(qts, "{ 'execute': 'tiermem-set-quota',"
        "'arguments': { 'id': 'tm0', 'deadline-ms': 100,"
        "'tiers': [ { 'tier': 1, 'size': 33554432 } ] } }");
    qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB);
    qtest_clock_step(qts, 200 * 1000 * 1000);
    qobject_unref(qtm_query(t));
    g_assert_null(qtest_qmp_event_ref(qts, "TIERMEM_QUOTA_MISSED"));
    qtm_free(t);
}

/* ---- Statistics ---- */

#define STATS_BUF_ENTRIES (VIRTIO_TIERMEM_MAX_STATS + 8)

typedef struct Stat {
    uint16_t tag, tier;
    uint32_t index;
    uint64_t value;
} Stat;

/* Make a statistics buffer of @len bytes available at @slot. */
static void put_stats(QTiermem *t, const Stat *stats, size_t n, size_t len,
                      uint64_t addr)
{
    g_autofree struct virtio_tiermem_stat *wire =
        g_new0(struct virtio_tiermem_stat, n + 1);
    uint32_t head;
    size_t i;

    for (i = 0; i < n; i++) {
        wire[i] = (struct virtio_tiermem_stat) {
            .tag = cpu_to_le16(stats[i].tag),
            .tier = cpu_to_le16(stats[i].tier),
            .index = cpu_to_le32(stats[i].index),
            .value = cpu_to_le64(stats[i].value),
        };
    }
    qtest_memwrite(t->qs->qts, addr, wire, len);
    head = qvirtqueue_add(t->qs->qts, t->stats_vq, addr, len, false, false);
    qvirtqueue_kick(t->qs->qts, t->dev, t->stats_vq, head);
}

/* The values in a query, and whether there is this one. */
static size_t find_stat(QTiermem *t, const char *name, int tier, int64_t index,
                        uint64_t *value)
{
    QDict *info = qtm_query(t);
    QList *values = qdict_get_qlist(qdict_get_qdict(info, "stats"), "values");
    const QListEntry *entry;
    size_t found = 0;

    QLIST_FOREACH_ENTRY(values, entry) {
        QDict *stat = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(stat, "name"), name) &&
            qdict_get_try_int(stat, "tier", -1) == tier &&
            qdict_get_int(stat, "index") == index) {
            *value = qdict_get_int(stat, "value");
            found++;
        }
    }
    qobject_unref(info);
    return found;
}

/* Wait until the device has read a buffer: a query then has values. */
static void assert_stat(QTiermem *t, const char *name, int tier, int64_t index,
                        uint64_t expected)
{
    const gint64 start = g_get_monotonic_time();
    uint64_t value = 0;

    while (!find_stat(t, name, tier, index, &value)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * 1000 * 1000);
        g_usleep(1000);
    }
    g_assert_cmpint(value, ==, expected);
}

/* TM-DEV-STAT-3, TM-DEV-STAT-4, TM-DEV-STAT-5, TM-DEV-STAT-6 */
static void test_stats(void)
{
    QTiermem *t = qtm_new("");
    static const Stat stats[] = {
        { VIRTIO_TIERMEM_STAT_TOTAL, QTM_SLOW, 0, 111 },
        { VIRTIO_TIERMEM_STAT_OOM_RECLAIMS + 1, QTM_SLOW, 0, 1 },
        { UINT16_MAX, QTM_SLOW, 0, 2 },
        { VIRTIO_TIERMEM_STAT_FREE, QTM_TIERS, 0, 3 },
        { VIRTIO_TIERMEM_STAT_FREE, QTM_FAST, 0, 444 },
        { VIRTIO_TIERMEM_STAT_FREE, QTM_FAST, 0, 555 },
        { VIRTIO_TIERMEM_STAT_CPU_TIME, VIRTIO_TIERMEM_STAT_NO_TIER, 2, 666 },
        { VIRTIO_TIERMEM_STAT_SAMPLES, QTM_FAST, 0, 777 },
    };
    uint64_t value;
    QDict *info;

    /* The last entry is cut off in its middle. */
    put_stats(t, stats, ARRAY_SIZE(stats), sizeof(stats) - 8, t->request_buf);
    assert_stat(t, "total", QTM_SLOW, 0, 111);
    assert_stat(t, "free", QTM_FAST, 0, 555);
    assert_stat(t, "cpu-time", -1, 2, 666);
    g_assert_cmpint(find_stat(t, "free", QTM_FAST, 0, &value), ==, 1);
    g_assert_cmpint(find_stat(t, "samples", QTM_FAST, 0, &value), ==, 0);
    info = qtm_query(t);
    g_assert_cmpint(qlist_size(qdict_get_qlist(qdict_get_qdict(info, "stats"),
                                               "values")), ==, 3);
    qobject_unref(info);
    qtm_free(t);
}

/* TM-DEV-STAT-6: what follows the most entries */
static void test_too_many_stats(void)
{
    QTiermem *t = qtm_new("");
    g_autofree Stat *stats = g_new0(Stat, STATS_BUF_ENTRIES);
    uint64_t value;
    uint32_t i;

    for (i = 0; i < STATS_BUF_ENTRIES; i++) {
        stats[i] = (Stat) { VIRTIO_TIERMEM_STAT_CURVE_BYTES, QTM_FAST, i, i };
    }
    put_stats(t, stats, STATS_BUF_ENTRIES,
              STATS_BUF_ENTRIES * sizeof(struct virtio_tiermem_stat),
              t->request_buf);
    assert_stat(t, "curve-bytes", QTM_FAST, VIRTIO_TIERMEM_MAX_STATS - 1,
                VIRTIO_TIERMEM_MAX_STATS - 1);
    g_assert_cmpint(find_stat(t, "curve-bytes", QTM_FAST,
                              VIRTIO_TIERMEM_MAX_STATS, &value), ==, 0);
    qtm_free(t);
}

/* TM-DEV-STAT-1, TM-DEV-STAT-2 */
static void test_stats_buffer(void)
{
    QTiermem *t = qtm_new("");
    static const Stat stat = { VIRTIO_TIERMEM_STAT_TOTAL, QTM_FAST, 0, 1 };
    struct virtio_tiermem_stat before, after;
    uint32_t used, len;

    put_stats(t, &stat, 1, sizeof(before), t->request_buf);
    qtest_memread(t->qs->qts, t->request_buf, &before, sizeof(before));
    /* Kept, until someone asks. */
    g_assert_cmphex(qtm_actual(t, QTM_FAST), ==, QTM_TIER_SIZE);
    g_assert_false(qvirtqueue_get_buf(t->qs->qts, t->stats_vq, &used, &len));
    assert_stat(t, "total", QTM_FAST, 0, 1);
    g_assert_true(qvirtqueue_get_buf(t->qs->qts, t->stats_vq, &used, &len));
    g_assert_cmpint(len, ==, 0);
    qtest_memread(t->qs->qts, t->request_buf, &after, sizeof(after));
    g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));

    /* Of two buffers the older one is given back. */
    put_stats(t, &stat, 1, sizeof(before), t->request_buf);
    put_stats(t, &stat, 1, sizeof(before), t->request_buf + 16);
    while (!qvirtqueue_get_buf(t->qs->qts, t->stats_vq, &used, &len)) {
        g_usleep(1000);
    }
    g_assert_cmpint(used, ==, 1);
    g_assert_false(qvirtqueue_get_buf(t->qs->qts, t->stats_vq, &used, &len));
    qtm_free(t);
}

/* A machine that is stopped is asked when it runs again. */
static void test_stats_of_stopped(void)
{
    QTiermem *t = qtm_new("");
    static const Stat stat = { VIRTIO_TIERMEM_STAT_TOTAL, QTM_FAST, 0, 1 };
    uint32_t used, len;

    put_stats(t, &stat, 1, sizeof(struct virtio_tiermem_stat), t->request_buf);
    g_assert_cmphex(qtm_actual(t, QTM_FAST), ==, QTM_TIER_SIZE);
    qtest_qmp_assert_success(t->qs->qts, "{ 'execute': 'stop' }");
    assert_stat(t, "total", QTM_FAST, 0, 1);
    g_assert_false(qvirtqueue_get_buf(t->qs->qts, t->stats_vq, &used, &len));
    qtest_qmp_assert_success(t->qs->qts, "{ 'execute': 'cont' }");
    g_assert_true(qvirtqueue_get_buf(t->qs->qts, t->stats_vq, &used, &len));

    /* Once. */
    put_stats(t, &stat, 1, sizeof(struct virtio_tiermem_stat), t->request_buf);
    qtest_qmp_assert_success(t->qs->qts, "{ 'execute': 'stop' }");
    qtest_qmp_assert_success(t->qs->qts, "{ 'execute': 'cont' }");
    g_assert_false(qvirtqueue_get_buf(t->qs->qts, t->stats_vq, &used, &len));
    qtm_free(t);
}

/* A statistic in which buffers are numbered. */
#define STAT_NUMBER VIRTIO_TIERMEM_STAT_OOM_RECLAIMS
#define CLAIM_STATS 8
#define NO_TIER VIRTIO_TIERMEM_STAT_NO_TIER
/* The two numbers of a point of the hotness curve. */
#define BYTES(i, bytes) \
    { VIRTIO_TIERMEM_STAT_CURVE_BYTES, NO_TIER, i, bytes }
#define RATE(i, rate) { VIRTIO_TIERMEM_STAT_CURVE_RATE, NO_TIER, i, rate }

/* Why the device does not believe the newest statistics, in their order. */
static char *doubts_text(QTiermem *t)
{
    QDict *info = qtm_query(t);
    QList *doubts = qdict_get_qlist(qdict_get_qdict(info, "stats"), "doubts");
    GString *text = g_string_new("");
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(doubts, entry) {
        g_string_append(text, qstring_get_str(
                        qobject_to(QString, qlist_entry_obj(entry))));
        g_string_append_c(text, ' ');
    }
    qobject_unref(info);
    return g_string_free(text, false);
}

/*
 * Send statistics, wait until the device has read them, and compare what it
 * doubts. @number is greater than that of any buffer before.
 */
static void assert_doubts(QTiermem *t, const char *what, const Stat *stats,
                          size_t n, uint64_t number, const char *expected)
{
    const gint64 start = g_get_monotonic_time();
    g_autofree Stat *all = g_new0(Stat, n + 1);
    g_autofree char *text = NULL;
    uint64_t value = 0;

    memcpy(all, stats, n * sizeof(*all));
    all[n] = (Stat) { STAT_NUMBER, QTM_FAST, 0, number };
    put_stats(t, all, n + 1, (n + 1) * sizeof(struct virtio_tiermem_stat),
              t->request_buf);
    while (!find_stat(t, "oom-reclaims", QTM_FAST, 0, &value) ||
           value != number) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * 1000 * 1000);
        g_usleep(1000);
    }
    text = doubts_text(t);
    if (strcmp(text, expected)) {
        g_test_message("%s: doubts '%s', expected '%s'", what, text, expected);
        g_test_fail();
    }
}

typedef struct Claim {
    const char *what;
    const char *doubts;
    Stat stats[CLAIM_STATS];
} Claim;

static const Claim claims[] = {
    { "nothing", "", { } },
    { "all that there is", "",
      { { VIRTIO_TIERMEM_STAT_TOTAL, QTM_FAST, 0, QTM_TIER_SIZE },
        { VIRTIO_TIERMEM_STAT_FREE, QTM_SLOW, 0, QTM_TIER_SIZE },
        BYTES(0, 2 * QTM_TIER_SIZE), RATE(0, 1000000) } },
    { "more than the tier", "bytes ",
      { { VIRTIO_TIERMEM_STAT_TOTAL, QTM_FAST, 0, QTM_TIER_SIZE + 1 } } },
    { "free without end", "bytes ",
      { { VIRTIO_TIERMEM_STAT_FREE, QTM_SLOW, 0, UINT64_MAX } } },
    { "reclaimable without end", "bytes ",
      { { VIRTIO_TIERMEM_STAT_RECLAIMABLE, QTM_SLOW, 0, UINT64_MAX } } },
    { "hot memory that is not there", "bytes ",
      { BYTES(0, 2 * QTM_TIER_SIZE + 1), RATE(0, 1000000) } },
    { "a curve", "",
      { BYTES(0, MiB), RATE(0, 1000000), BYTES(1, 2 * MiB), RATE(1, 1900000),
        BYTES(2, 64 * MiB), RATE(2, 1900000) } },
    { "points from 1", "curve ", { BYTES(1, MiB), RATE(1, 1000000) } },
    { "a point is missing", "curve ",
      { BYTES(0, MiB), RATE(0, 1000000),
        BYTES(2, 2 * MiB), RATE(2, 1900000) } },
    { "a rate is missing", "curve ",
      { BYTES(0, MiB), RATE(0, 1000000), BYTES(1, 2 * MiB) } },
    { "rates only", "curve ",
      { RATE(0, 1000000) } },
    { "the curve of a tier", "curve ",
      { { VIRTIO_TIERMEM_STAT_CURVE_BYTES, QTM_FAST, 0, MiB },
        { VIRTIO_TIERMEM_STAT_CURVE_RATE, QTM_FAST, 0, 1000000 } } },
    { "heat of no memory", "curve ", { BYTES(0, 0), RATE(0, 1000000) } },
    { "bytes do not grow", "curve ",
      { BYTES(0, MiB), RATE(0, 1000000), BYTES(1, MiB), RATE(1, 1100000) } },
    { "bytes fall", "curve ",
      { BYTES(0, 2 * MiB), RATE(0, 1000000),
        BYTES(1, MiB), RATE(1, 1100000) } },
    { "rates fall", "curve ",
      { BYTES(0, MiB), RATE(0, 1000000), BYTES(1, 2 * MiB), RATE(1, 999999) } },
    { "heat rises", "curve ",
      { BYTES(0, MiB), RATE(0, 1000000),
        BYTES(1, 2 * MiB), RATE(1, 3000000) } },
    { "heat rises by an eighth", "",
      { BYTES(0, MiB), RATE(0, 1000000),
        BYTES(1, 2 * MiB), RATE(1, 2125000) } },
    { "heat rises by more", "curve ",
      { BYTES(0, MiB), RATE(0, 1000000),
        BYTES(1, 2 * MiB), RATE(1, 2126000) } },
    { "rounded rates", "",
      { BYTES(0, MiB), RATE(0, 3),
        BYTES(1, 2 * MiB), RATE(1, 10),
        BYTES(2, 3 * MiB), RATE(2, 20) } },
    { "heat without end", "rate ", { BYTES(0, MiB), RATE(0, UINT64_MAX) } },
    { "the greatest numbers", "bytes rate ",
      { BYTES(0, UINT64_MAX), RATE(0, UINT64_MAX) } },
    { "the greatest numbers, and heat rises", "bytes curve rate ",
      { BYTES(0, UINT64_MAX - 1), RATE(0, 0),
        BYTES(1, UINT64_MAX), RATE(1, UINT64_MAX) } },
};

/* TM-DEV-STAT-7; TM-DEV-STAT-8: requests are answered as ever */
static void test_hostile_stats(void)
{
    QTiermem *t = qtm_new("");
    size_t i, n;

    for (i = 0; i < ARRAY_SIZE(claims); i++) {
        for (n = CLAIM_STATS; n; n--) {
            const Stat *last = &claims[i].stats[n - 1];

            if (last->tag || last->tier || last->value) {
                break;
            }
        }
        assert_doubts(t, claims[i].what, claims[i].stats, n, i + 1,
                      claims[i].doubts);
        assert_answer(qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB),
                      VIRTIO_TIERMEM_S_OK, 1, QTM_TIER_SIZE - MiB);
        assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, MiB, 0),
                      VIRTIO_TIERMEM_S_OK, 1, QTM_TIER_SIZE);
    }
    qtm_free(t);
}

/* The most points that a curve may have, and one more. */
static void test_curve_points(void)
{
    QTiermem *t = qtm_new("");
    Stat stats[2 * VIRTIO_TIERMEM_MAX_CURVE_POINTS + 2];
    uint32_t i;

    for (i = 0; i <= VIRTIO_TIERMEM_MAX_CURVE_POINTS; i++) {
        const Stat point[] = { BYTES(i, (i + 1) * MiB), RATE(i, 1000000 + i) };

        memcpy(&stats[2 * i], point, sizeof(point));
    }
    assert_doubts(t, "most points", stats, ARRAY_SIZE(stats) - 2, 1, "");
    assert_doubts(t, "a point more", stats, ARRAY_SIZE(stats), 2, "curve ");
    qtm_free(t);
}

/*
 * What virtual CPUs can have done depends on how long they have run. Here they
 * never run; at first the device cannot know that. TM-DEV-STAT-7
 */
static void test_idle_guest(void)
{
    QTiermem *t = qtm_new("");
    static const Stat hot[] = { BYTES(0, MiB), RATE(0, 1ull << 34) };
    static const Stat warm[] = { BYTES(0, MiB), RATE(0, 1000000) };
    static const Stat counters[][1] = {
        { { VIRTIO_TIERMEM_STAT_PROMOTED, QTM_FAST, 0, 1ull << 50 } },
        { { VIRTIO_TIERMEM_STAT_DEMOTED, QTM_SLOW, 0, 1ull << 50 } },
        { { VIRTIO_TIERMEM_STAT_SAMPLES, QTM_SLOW, 0, 1ull << 50 } },
        { { VIRTIO_TIERMEM_STAT_CPU_TIME, NO_TIER, 3, 1ull << 50 } },
    };
    uint64_t number = 1;
    size_t i;

    assert_doubts(t, "hot at first", hot, 1 + 1, number++, "");
    qtest_clock_step(t->qs->qts, 61 * NANOSECONDS_PER_SECOND);
    assert_doubts(t, "hot", hot, 1 + 1, number++, "rate ");
    assert_doubts(t, "warm", warm, 1 + 1, number++, "");
    for (i = 0; i < ARRAY_SIZE(counters); i++) {
        Stat less = counters[i][0];

        less.value -= 1000;
        assert_doubts(t, "a counter", &less, 1, number++, "");
        assert_doubts(t, "it grows", counters[i], 1, number++, "");
        less.value = 0;
        assert_doubts(t, "it falls", &less, 1, number++, "");
        assert_doubts(t, "it leaps", counters[i], 1, number++, "rate ");
    }
    qtm_free(t);
}

/* A guest that uses memory which it surrendered is seen and reported. */
static void test_quota_exceeded(void)
{
    QTiermem *t = qtm_new("");
    QTestState *qts = t->qs->qts;
    int i;

    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB);
    qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB);
    g_assert_cmpint(qtm_resident(t, QTM_SLOW), ==, 0);
    g_assert_null(qtest_qmp_event_ref(qts, "TIERMEM_QUOTA_EXCEEDED"));

    qtest_writeb(qts, QTM_SLOW_ADDR, 1);
    for (i = 0; i < 3; i++) {
        /* A page; the host may have made a huge one of it. */
        g_assert_cmpint(qtm_resident(t, QTM_SLOW), >=, QTM_BLOCK);
    }
    assert_event(t, "TIERMEM_QUOTA_EXCEEDED", QTM_SLOW, QTM_TIER_SIZE, 0);
    /* Once a second; the clock stands still. */
    g_assert_null(qtest_qmp_event_ref(qts, "TIERMEM_QUOTA_EXCEEDED"));
    qtest_clock_step(qts, 2 * NANOSECONDS_PER_SECOND);
    assert_event(t, "TIERMEM_QUOTA_EXCEEDED", QTM_SLOW, QTM_TIER_SIZE, 0);
    qtm_free(t);
}

/* Of what may be one huge page the guest has a part: not its fault. */
static void test_huge_page_around(void)
{
    QTiermem *t = qtm_new("");
    QTestState *qts = t->qs->qts;

    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB);
    qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB);
    qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, QTM_BLOCK, 0);
    qtest_writeb(qts, QTM_SLOW_ADDR, 1);
    qtest_writeb(qts, QTM_SLOW_ADDR + QTM_BLOCK, 1);
    g_assert_cmpint(qtm_resident(t, QTM_SLOW), >, QTM_BLOCK);
    g_assert_null(qtest_qmp_event_ref(qts, "TIERMEM_QUOTA_EXCEEDED"));
    qtest_writeb(qts, QTM_SLOW_ADDR + 16 * MiB, 1);
    qobject_unref(qtm_query(t));
    assert_event(t, "TIERMEM_QUOTA_EXCEEDED", QTM_SLOW, QTM_TIER_SIZE,
                 QTM_BLOCK);
    qtm_free(t);
}

/* The same is found when a deadline passes, though all seems surrendered. */
static void test_exceeded_at_deadline(void)
{
    QTiermem *t = qtm_new("");
    QTestState *qts = t->qs->qts;
    QDict *data;

    qtest_qmp_assert_success(qts, "{ 'execute': 'tiermem-set-quota',"
        "'arguments': { 'id': 'tm0', 'deadline-ms': 100,"
        "'tiers': [ { 'tier': 1, 'size': 0 } ] } }");
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB);
    qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, 32 * MiB);
    qtest_writeb(qts, QTM_HIGH_ADDR, 1);
    qtest_clock_step(qts, 101 * 1000 * 1000);
    data = event_data(t, "TIERMEM_QUOTA_EXCEEDED");
    g_assert_cmpint(qdict_get_int(data, "resident"), >=, QTM_BLOCK);
    g_assert_cmpint(qdict_get_int(data, "requested"), ==, 0);
    qobject_unref(data);
    g_assert_null(qtest_qmp_event_ref(qts, "TIERMEM_QUOTA_MISSED"));
    qtm_free(t);
}

/* ---- Life cycle ---- */

/* TM-DEV-RESET-1, TM-DEV-RESET-2, TM-DEV-RESET-3, TM-DEV-RESET-4 */
static void test_reset(void)
{
    QTiermem *t = qtm_new(",fast-quota=32M,slow-quota=48M,qos-weight=77");
    struct virtio_tiermem_config c;

    fill_pattern(t, QTM_HIGH_ADDR, PATTERN_SIZE);
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB);
    qtm_surrender(t, QTM_FAST, QTM_FAST_ADDR, MiB);
    qtest_qmp_assert_success(t->qs->qts,
                             SET_QUOTA("{ 'tier': 0, 'size': 16777216 }"));
    qtm_reset(t);
    qtm_start(t, 1ull << VIRTIO_F_VERSION_1 | QTM_FEATURE(QOS));
    qtm_config(t, &c);
    g_assert_cmphex(le64_to_cpu(c.tiers[QTM_FAST].actual), ==, QTM_TIER_SIZE);
    g_assert_cmphex(le64_to_cpu(c.tiers[QTM_SLOW].actual), ==, QTM_TIER_SIZE);
    g_assert_cmphex(le64_to_cpu(c.tiers[QTM_FAST].requested), ==, 16 * MiB);
    g_assert_cmphex(le64_to_cpu(c.tiers[QTM_SLOW].requested), ==, 48 * MiB);
    g_assert_cmpint(le32_to_cpu(c.qos.weight), ==, 77);
    g_assert_true(has_pattern(t, QTM_HIGH_ADDR, PATTERN_SIZE));
    assert_answer(qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, MiB, 0),
                  VIRTIO_TIERMEM_S_CONFLICT, 0, QTM_TIER_SIZE);
    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 32 * MiB);
    qtm_free(t);
}

/* The same when the whole machine is reset. */
static void test_system_reset(void)
{
    QTiermem *t = qtm_new(",slow-quota=48M");
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    qtm_reset(t);
    before = state_text(t);
    qtm_start(t, 1ull << VIRTIO_F_VERSION_1);
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB);
    qtest_system_reset(t->qs->qts);
    after = state_text(t);
    g_assert_cmpstr(before, ==, after);
    qtm_free(t);
}

/* A removed device is either kept or gone, and never takes QEMU with it. */
static void test_unplug(void)
{
    QTiermem *t = qtm_new("");
    QDict *rsp = qtest_qmp(t->qs->qts, "{ 'execute': 'device_del',"
                           "  'arguments': { 'id': 'tm0' } }");

    if (qdict_haskey(rsp, "error")) {
        g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                              "desc"), "tm0"));
    }
    qobject_unref(rsp);
    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 63 * MiB);
    qtm_free(t);
}

static void test_second_device(void)
{
    QTiermem *t = qtm_new("");
    QDict *error = qtest_qmp_assert_failure_ref(t->qs->qts,
        "{ 'execute': 'device_add', 'arguments': {"
        "  'driver': 'virtio-tiermem', 'id': 'tm1' } }");

    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), "one"));
    qobject_unref(error);
    assert_answer(qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, MiB),
                  VIRTIO_TIERMEM_S_OK, 1, 63 * MiB);
    qtm_free(t);
}

/* ---- Migration ---- */

/* The driver moves with its machine: the queues are now those of @to. */
static void move_driver(QTiermem *from, QTiermem *to)
{
    to->pci->bar = from->pci->bar;
    to->dev->features = from->dev->features;
    to->dev->features_negotiated = true;
    to->request_buf = from->request_buf;
    to->response_buf = from->response_buf;
    to->request_vq = g_steal_pointer(&from->request_vq);
    to->stats_vq = g_steal_pointer(&from->stats_vq);
    to->request_vq->vdev = to->stats_vq->vdev = to->dev;
}

static QTiermem *boot_incoming(const char *device_opts, const char *uri)
{
    QTiermem *t = g_new0(QTiermem, 1);
    QPCIAddress addr = { .devfn = QPCI_DEVFN(4, 0) };

    t->qs = qtest_pc_boot(QTM_MACHINE QTM_DEVICE "%s -incoming %s",
                          device_opts, uri);
    t->pci = virtio_pci_new(t->qs->pcibus, &addr);
    t->dev = &t->pci->vdev;
    return t;
}

static char *temp_dir(void)
{
    char *dir = g_dir_make_tmp("virtio-tiermem-test-XXXXXX", NULL);

    g_assert_nonnull(dir);
    return dir;
}

static void remove_temp(const char *dir, const char *file)
{
    if (file) {
        unlink(file);
    }
    rmdir(dir);
}

/*
 * The set of surrendered ranges, quotas and quality of service travel; what the
 * destination was started with does not count.
 */
static void test_migration(void)
{
    g_autofree char *dir = temp_dir();
    g_autofree char *path = g_strdup_printf("%s/socket", dir);
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    QTiermem *from = qtm_new(",slow-quota=48M,qos-weight=5");
    QTiermem *to = boot_incoming(",slow-quota=64M,fast-quota=1M", uri);
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    fill_pattern(from, QTM_HIGH_ADDR, PATTERN_SIZE);
    qtm_surrender(from, QTM_SLOW, QTM_SLOW_ADDR, 32 * MiB);
    qtm_surrender(from, QTM_SLOW, QTM_HIGH_ADDR + 8 * MiB, QTM_BLOCK);
    before = state_text(from);
    migrate(from->qs, to->qs, uri);
    move_driver(from, to);
    after = state_text(to);
    g_assert_cmpstr(before, ==, after);
    g_assert_true(has_pattern(to, QTM_HIGH_ADDR, PATTERN_SIZE));
    g_assert_cmpint(qtm_resident(to, QTM_SLOW), <=, 32 * MiB - QTM_BLOCK);

    assert_answer(qtm_surrender(to, QTM_SLOW, QTM_HIGH_ADDR + 8 * MiB,
                                QTM_BLOCK),
                  VIRTIO_TIERMEM_S_CONFLICT, 0, 32 * MiB - QTM_BLOCK);
    assert_answer(qtm_reclaim(to, QTM_SLOW, QTM_SLOW_ADDR, 16 * MiB, 0),
                  VIRTIO_TIERMEM_S_OK, 1, 48 * MiB - QTM_BLOCK);
    assert_answer(qtm_reclaim(to, QTM_SLOW, QTM_SLOW_ADDR + 16 * MiB, 16 * MiB,
                              0),
                  VIRTIO_TIERMEM_S_QUOTA, 0, 48 * MiB - QTM_BLOCK);
    qtm_free(to);
    qtm_free(from);
    remove_temp(dir, path);
}

/* A snapshot brings back what was surrendered when it was taken. */
static void test_snapshot(void)
{
    g_autofree char *dir = temp_dir();
    g_autofree char *path = g_strdup_printf("%s/disk.qcow2", dir);
    g_autofree char *saved = NULL;
    g_autofree char *loaded = NULL;
    g_autofree char *answer = NULL;
    QTiermem *t;

    if (!have_qemu_img()) {
        g_test_skip("QTEST_QEMU_IMG is not set");
        rmdir(dir);
        return;
    }
    mkqcow2(path, 16);
    t = qtm_boot(QTM_MACHINE QTM_DEVICE ",slow-quota=60M -drive "
                 "if=none,id=disk,format=qcow2,file=%s", path);
    qtm_start(t, 1ull << VIRTIO_F_VERSION_1);
    fill_pattern(t, QTM_HIGH_ADDR, PATTERN_SIZE);
    qtm_surrender(t, QTM_SLOW, QTM_SLOW_ADDR, 4 * MiB);
    saved = state_text(t);
    answer = qtest_hmp(t->qs->qts, "savevm one");
    g_assert_cmpstr(answer, ==, "");
    qtm_reclaim(t, QTM_SLOW, QTM_SLOW_ADDR, MiB, OOM);
    qtm_surrender(t, QTM_SLOW, QTM_HIGH_ADDR, PATTERN_SIZE);
    g_free(answer);
    answer = qtest_hmp(t->qs->qts, "loadvm one");
    g_assert_cmpstr(answer, ==, "");
    loaded = state_text(t);
    g_assert_cmpstr(saved, ==, loaded);
    g_assert_true(has_pattern(t, QTM_HIGH_ADDR, PATTERN_SIZE));
    qtm_free(t);
    remove_temp(dir, path);
}

/* ---- The command line ---- */

/* Run QEMU, which has to refuse; returns what it says. */
static char *refused_by_qemu(const char *args)
{
    g_autofree char *command = g_strdup_printf(
        "timeout 30 %s -display none -accel qtest -S %s",
        getenv("QTEST_QEMU_BINARY"), args);
    g_autofree char *out = NULL;
    char *err = NULL;
    int status;

    g_test_message("%s", args);
    g_assert_true(g_spawn_command_line_sync(command, &out, &err, &status,
                                            NULL));
    g_assert_true(WIFEXITED(status));
    g_test_message("-> %s", err);
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    return err;
}

static void assert_names(const char *text, const char *const *names, size_t n)
{
    size_t i;

    for (i = 0; i < n && names[i]; i++) {
        g_assert_nonnull(strstr(text, names[i]));
    }
}

typedef struct BadCommandLine {
    const char *args;
    const char *named[4];
} BadCommandLine;

#define BAD(options) QTM_MACHINE "-device virtio-tiermem,id=tm0," options

static const BadCommandLine bad_command_lines[] = {
    { BAD("fast-node=0,slow-node=2"), { "slow-node", "2", "2 NUMA nodes" } },
    { BAD("fast-node=4294967295,slow-node=1"), { "fast-node", "4294967295" } },
    { BAD("fast-node=-1,slow-node=1"), { "fast-node" } },
    { BAD("fast-node=none,slow-node=1"), { "fast-node" } },
    { BAD("fast-node=1,slow-node=1"), { "fast-node", "slow-node", "1" } },
    { BAD("fast-node=0,slow-node=1,fast-quota=65M"),
      { "fast-quota", "68157440", "67108864" } },
    { BAD("fast-node=0,slow-node=1,slow-quota=65M"),
      { "slow-quota", "68157440", "67108864" } },
    { BAD("fast-node=0,slow-node=1,slow-quota=4097"),
      { "slow-quota", "4097", "4096" } },
    { BAD("fast-node=0,slow-node=1,slow-quota=-4096"), { "slow-quota" } },
    { BAD("fast-node=0,slow-node=1,slow-quota=99999999999999999999"),
      { "slow-quota" } },
    { BAD("fast-node=0,slow-node=1,fast-quota=8M,fast-min=16M"),
      { "fast-quota", "fast-min", "8388608", "16777216" } },
    { BAD("fast-node=0,slow-node=1,qos-weight=0"),
      { "qos-weight", "0", "1", "10000" } },
    { BAD("fast-node=0,slow-node=1,qos-weight=10001"),
      { "qos-weight", "10001", "10000" } },
    { BAD("fast-node=0,slow-node=1,cpu-budget=1001"),
      { "cpu-budget", "1001", "1000" } },
    { BAD("fast-node=0,slow-node=1,qos-class=royal"),
      { "qos-class", "royal" } },
    { BAD("fast-node=0,slow-node=1,colour=red"), { "colour" } },
    { QTM_MACHINE "-device virtio-tiermem,id=a -device virtio-tiermem,id=b",
      { "one virtio-tiermem" } },
    /* Defaults are nodes 0 and 1: a machine without them has to be told. */
    { QTM_PC("pc") "-device virtio-tiermem", { "fast-node", "NUMA" } },
    { QTM_PC("pc") "-object memory-backend-ram,id=all,size=128M "
      "-numa node,memdev=all -device virtio-tiermem",
      { "slow-node", "1", "NUMA" } },
    { QTM_PC("pc-i440fx-5.0") "-numa node,mem=64M -numa node,mem=64M "
      "-device virtio-tiermem", { "fast-node", "memdev" } },
};

static void test_bad_command_lines(void)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(bad_command_lines); i++) {
        g_autofree char *said = refused_by_qemu(bad_command_lines[i].args);

        assert_names(said, bad_command_lines[i].named,
                     ARRAY_SIZE(bad_command_lines[i].named));
    }
}

/* A destination whose constant properties differ says which. */
static void test_wrong_destination(void)
{
    static const BadCommandLine destinations[] = {
        { QTM_MACHINE
          "-device virtio-tiermem,id=tm0,addr=04.0,fast-node=1,slow-node=0",
          { "fast-node" } },
        { QTM_MACHINE QTM_DEVICE ",stats=off", { "features" } },
    };
    g_autofree char *dir = temp_dir();
    g_autofree char *path = g_strdup_printf("%s/state", dir);
    g_autofree char *uri = g_strdup_printf("exec:cat > %s", path);
    QTiermem *from = qtm_new("");
    size_t i;

    qtm_surrender(from, QTM_SLOW, QTM_SLOW_ADDR, MiB);
    qtest_qmp_assert_success(from->qs->qts, "{ 'execute': 'migrate',"
                             " 'arguments': { 'uri': %s } }", uri);
    qtest_qmp_eventwait(from->qs->qts, "STOP");
    qtm_free(from);
    for (i = 0; i < ARRAY_SIZE(destinations); i++) {
        g_autofree char *args = g_strdup_printf("%s -incoming 'exec:cat %s'",
                                                destinations[i].args, path);
        g_autofree char *said = refused_by_qemu(args);

        assert_names(said, destinations[i].named,
                     ARRAY_SIZE(destinations[i].named));
    }
    remove_temp(dir, path);
}

static void add_tests(void)
{
    size_t i;

    qtest_add_func("/virtio-tiermem/present", test_present);
    qtest_add_func("/virtio-tiermem/config", test_config);
    qtest_add_func("/virtio-tiermem/config/read-only",
                   test_config_is_read_only);
    qtest_add_func("/virtio-tiermem/config/performance", test_performance);
    qtest_add_func("/virtio-tiermem/config/constants", test_constants);
    qtest_add_func("/virtio-tiermem/features/subsets", test_feature_subsets);
    qtest_add_func("/virtio-tiermem/features/off", test_features_off);
    qtest_add_func("/virtio-tiermem/features/access-platform",
                   test_access_platform);
    qtest_add_func("/virtio-tiermem/request/surrender-reclaim",
                   test_surrender_reclaim);
    qtest_add_func("/virtio-tiermem/request/other-ranges",
                   test_reclaim_other_ranges);
    qtest_add_func("/virtio-tiermem/request/below-quota",
                   test_surrender_below_quota);
    qtest_add_func("/virtio-tiermem/request/not-notified",
                   test_actual_is_not_notified);
    qtest_add_func("/virtio-tiermem/request/most-ranges", test_most_ranges);
    qtest_add_func("/virtio-tiermem/request/framing", test_framing);
    qtest_add_func("/virtio-tiermem/request/order", test_order_of_requests);
    qtest_add_func("/virtio-tiermem/request/quota", test_quota_bounds_reclaim);
    qtest_add_func("/virtio-tiermem/hostile/refusals", test_refusals);
    qtest_add_func("/virtio-tiermem/hostile/lengths", test_lengths);
    qtest_add_func("/virtio-tiermem/hostile/no-room", test_no_room);
    qtest_add_func("/virtio-tiermem/hostile/broken-chains",
                   test_broken_chains);
    qtest_add_func("/virtio-tiermem/hostile/huge-chain", test_huge_chain);
    qtest_add_func("/virtio-tiermem/hostile/before-driver-ok",
                   test_before_driver_ok);
    for (i = 0; i < ARRAY_SIZE(backends); i++) {
        g_autofree char *path = g_strdup_printf("/virtio-tiermem/discard/%s",
                                                backends[i]);
        qtest_add_data_func(path, backends[i], test_discard);
    }
    qtest_add_func("/virtio-tiermem/discard/fails", test_host_fails);
    qtest_add_func("/virtio-tiermem/discard/busy", test_host_busy);
    qtest_add_func("/virtio-tiermem/qmp/quota", test_set_quota);
    qtest_add_func("/virtio-tiermem/qmp/quota-property", test_quota_property);
    qtest_add_func("/virtio-tiermem/qmp/qos", test_set_qos);
    qtest_add_func("/virtio-tiermem/qmp/bad", test_bad_commands);
    qtest_add_func("/virtio-tiermem/qmp/events", test_events);
    qtest_add_func("/virtio-tiermem/qmp/deadline", test_deadline);
    qtest_add_func("/virtio-tiermem/stats/values", test_stats);
    qtest_add_func("/virtio-tiermem/stats/too-many", test_too_many_stats);
    qtest_add_func("/virtio-tiermem/stats/buffer", test_stats_buffer);
    qtest_add_func("/virtio-tiermem/stats/stopped", test_stats_of_stopped);
    qtest_add_func("/virtio-tiermem/stats/hostile", test_hostile_stats);
    qtest_add_func("/virtio-tiermem/stats/curve-points", test_curve_points);
    qtest_add_func("/virtio-tiermem/stats/idle-guest", test_idle_guest);
    qtest_add_func("/virtio-tiermem/quota/exceeded", test_quota_exceeded);
    qtest_add_func("/virtio-tiermem/quota/huge-page-around",
                   test_huge_page_around);
    qtest_add_func("/virtio-tiermem/quota/exceeded-at-deadline",
                   test_exceeded_at_deadline);
    qtest_add_func("/virtio-tiermem/life/reset", test_reset);
    qtest_add_func("/virtio-tiermem/life/system-reset", test_system_reset);
    qtest_add_func("/virtio-tiermem/life/unplug", test_unplug);
    qtest_add_func("/virtio-tiermem/life/second-device", test_second_device);
    qtest_add_func("/virtio-tiermem/migration/live", test_migration);
    qtest_add_func("/virtio-tiermem/migration/snapshot", test_snapshot);
    qtest_add_func("/virtio-tiermem/migration/wrong-destination",
                   test_wrong_destination);
    qtest_add_func("/virtio-tiermem/command-line", test_bad_command_lines);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    add_tests();
    return g_test_run();
}
