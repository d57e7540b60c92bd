// SPDX-License-Identifier: GPL-2.0-or-later
// workload.cpp - see workload.hpp. Sizes are those of the measuring bench: 512
// MiB in use, room for 195 MiB, a hot part of 64 MiB (docs/policy.md).
#include "workload.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tiersim {

namespace {
constexpr uint32_t kMiB = 256; // pages
constexpr uint32_t kTotal = 512 * kMiB;
constexpr uint32_t kHot = 64 * kMiB;
constexpr uint32_t kRoom = 195 * kMiB;
constexpr uint64_t kHeap = 0x555500000000 + 0x123000; // not aligned to 2 MiB
constexpr double kTickSeconds = 0.05;
constexpr double kNominalRate = 7e6; // accesses a second

void touch_all(World& world) {
    for (uint32_t p = 0; p < world.pages(); p++)
        world.touch(p);
}

// Zipf over `count` pages, the ranks scattered over them.
std::vector<double> scattered_zipf(uint32_t count, double exponent, Random& random) {
    std::vector<double> weights(count);
    for (uint32_t i = 0; i < count; i++)
        weights[i] = std::pow(i + 1.0, -exponent);
    std::shuffle(weights.begin(), weights.end(), random);
    return weights;
}
} // namespace

Distribution::Distribution(std::vector<double> weights) : share_(std::move(weights)) {
    const double sum = std::accumulate(share_.begin(), share_.end(), 0.0);
    const auto n = static_cast<uint32_t>(share_.size());
    keep_.assign(n, 1.0);
    alias_.resize(n);
    std::vector<double> scaled(n);
    std::vector<uint32_t> small;
    std::vector<uint32_t> large;
    for (uint32_t i = 0; i < n; i++) {
        share_[i] /= sum;
        scaled[i] = share_[i] * n;
        (scaled[i] < 1 ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
        const uint32_t s = small.back();
        const uint32_t l = large.back();
        small.pop_back();
        keep_[s] = scaled[s];
        alias_[s] = l;
        scaled[l] -= 1 - scaled[s];
        if (scaled[l] < 1) {
            large.pop_back();
            small.push_back(l);
        }
    }
}

uint32_t Distribution::draw(Random& random) const {
    const uint64_t r = random();
    const auto i = static_cast<uint32_t>((static_cast<unsigned __int128>(r) * share_.size()) >> 64);
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    return u < keep_[i] ? i : alias_[i];
}

namespace {

// A hot region with 90 % of the accesses; it may move at half time.
class Gups : public Workload {
  public:
    Gups(uint32_t ticks, bool moves) : half_(moves ? ticks / 2 : ~0U) {
        world_.add_area(1, kHeap, kTotal);
        world_.set_quota(kRoom);
        touch_all(world_);
    }
    std::vector<Component> at(uint32_t tick, double /*accesses*/) override {
        const uint32_t hot = (tick < half_ ? 416 : 288) * kMiB;
        return {{0.9, hot, kHot, nullptr, 0, 0}, {0.1, 0, kTotal, nullptr, 0, 0}};
    }
    [[nodiscard]] uint32_t shift_tick() const override { return half_ == ~0U ? 0 : half_; }

  private:
    uint32_t half_;
};

// Zipf 0.99 over scattered 4 KiB pages; the ranks may be dealt anew at half time.
class Zipf : public Workload {
  public:
    Zipf(uint32_t ticks, uint64_t seed, bool deals) : half_(deals ? ticks / 2 : ~0U) {
        Random random(seed);
        world_.add_area(1, kHeap, kTotal);
        world_.set_quota(kRoom);
        touch_all(world_);
        for (auto& d : distributions_)
            d = std::make_unique<Distribution>(scattered_zipf(kTotal, 0.99, random));
    }
    std::vector<Component> at(uint32_t tick, double /*accesses*/) override {
        return {{1.0, 0, kTotal, distributions_[tick < half_ ? 0 : 1].get(), 0, 0}};
    }
    [[nodiscard]] uint32_t shift_tick() const override { return half_ == ~0U ? 0 : half_; }

  private:
    uint32_t half_;
    std::unique_ptr<Distribution> distributions_[2];
};

// A cyclic scan that gets `weight` of the accesses and makes so many to each page
// that a sweep takes `seconds` at the nominal rate. It is faster where its pages
// are: each pass makes as many accesses to each page wherever that is.
class Sweep {
  public:
    Sweep(double weight, uint32_t first, uint32_t count, double seconds)
        : weight_(weight), first_(first), count_(count), page_accesses_(weight * kNominalRate * seconds / count) {}
    // What is scanned next with so many accesses, as one or two components.
    [[nodiscard]] std::vector<Component> part(double accesses) const {
        const auto begin = static_cast<uint32_t>(at_);
        const auto n = std::clamp(static_cast<uint32_t>(std::ceil(pages(accesses))), 1U, count_);
        const uint32_t head = std::min(n, count_ - begin);
        std::vector<Component> parts{{weight_ * head / n, first_ + begin, head, nullptr, first_, count_}};
        if (head < n)
            parts.push_back({weight_ * (n - head) / n, first_, n - head, nullptr, first_, count_});
        return parts;
    }
    void did(double accesses) { at_ = std::fmod(at_ + pages(accesses), count_); }

  private:
    [[nodiscard]] double pages(double accesses) const { return weight_ * accesses / page_accesses_; }

    double weight_;
    uint32_t first_;
    uint32_t count_;
    double page_accesses_; // in one pass
    double at_ = 0;
};

// Half of the accesses to a hot region, half a cyclic scan over the rest.
class Scan : public Workload {
  public:
    explicit Scan(double sweep_seconds) : sweep_(0.5, 0, kTotal - kHot, sweep_seconds) {
        world_.add_area(1, kHeap, kTotal);
        world_.set_quota(kRoom);
        touch_all(world_);
    }
    std::vector<Component> at(uint32_t /*tick*/, double accesses) override {
        auto parts = sweep_.part(accesses);
        parts.push_back({0.5, kTotal - kHot, kHot, nullptr, 0, 0});
        return parts;
    }
    void did(double accesses) override { sweep_.did(accesses); }

  private:
    Sweep sweep_;
};

// Lookups: inner nodes (1 page in 100, scattered) get 45 %, leaves the rest, by
// a skewed choice of keys.
class Btree : public Workload {
  public:
    explicit Btree(uint64_t seed) {
        Random random(seed);
        world_.add_area(1, kHeap, kTotal);
        world_.set_quota(kRoom);
        touch_all(world_);
        std::vector<double> weights = scattered_zipf(kTotal, 0.7, random);
        const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
        constexpr uint32_t inner = kTotal / 100;
        for (uint32_t i = 0; i < inner; i++)
            weights[random() % kTotal] += sum * 0.45 / 0.55 / inner;
        keys_ = std::make_unique<Distribution>(std::move(weights));
    }
    std::vector<Component> at(uint32_t /*tick*/, double /*accesses*/) override { return {{1.0, 0, kTotal, keys_.get(), 0, 0}}; }

  private:
    std::unique_ptr<Distribution> keys_;
};

// Rank propagation: 40 % scan the edges (384 MiB), 60 % hit vertices (128 MiB,
// 64 of 64 bytes to a page) by degree, which follows a power law.
class Graph : public Workload {
  public:
    explicit Graph(uint64_t seed) {
        Random random(seed);
        world_.add_area(1, kHeap, kTotal);
        world_.set_quota(kRoom);
        touch_all(world_);
        std::vector<double> weights(kVertexPages);
        for (double& w : weights)
            for (int v = 0; v < 64; v++) {
                const double u = (static_cast<double>(random() >> 11) + 1) * 0x1p-53;
                w += std::min(1e6, std::pow(u, -1 / 1.1));
            }
        degrees_ = std::make_unique<Distribution>(std::move(weights));
    }
    std::vector<Component> at(uint32_t /*tick*/, double accesses) override {
        auto parts = edges_.part(accesses);
        parts.push_back({0.6, kTotal - kVertexPages, kVertexPages, degrees_.get(), 0, 0});
        return parts;
    }
    void did(double accesses) override { edges_.did(accesses); }

  private:
    static constexpr uint32_t kVertexPages = 128 * kMiB;
    Sweep edges_{0.4, 0, kTotal - kVertexPages, 2.5};
    std::unique_ptr<Distribution> degrees_;
};

// A heap that grows by 4 MiB/s from 256 MiB on; the newest 64 MiB get 80 %.
class Growing : public Workload {
  public:
    explicit Growing(uint32_t ticks) {
        world_.add_area(1, kHeap, used(ticks));
        world_.set_quota(kRoom);
    }
    std::vector<Component> at(uint32_t tick, double /*accesses*/) override {
        const uint32_t now = used(tick);
        for (; touched_ < now; touched_++)
            world_.touch(touched_);
        return {{0.8, now - kHot, kHot, nullptr, 0, 0}, {0.2, 0, now, nullptr, 0, 0}};
    }

  private:
    static uint32_t used(uint32_t tick) {
        return 256 * kMiB + static_cast<uint32_t>(4 * kMiB * kTickSeconds * tick);
    }
    uint32_t touched_ = 0;
};

// Four processes of 128 MiB: a hot region, scattered heat, a scan, an idle one.
class Four : public Workload {
  public:
    explicit Four(uint64_t seed) {
        Random random(seed);
        for (uint64_t space = 1; space <= 4; space++)
            world_.add_area(space, kHeap + space * 0x10000000000, kEach);
        world_.set_quota(kRoom);
        touch_all(world_);
        scattered_ = std::make_unique<Distribution>(scattered_zipf(kEach, 0.99, random));
    }
    std::vector<Component> at(uint32_t /*tick*/, double accesses) override {
        auto parts = sweep_.part(accesses);
        parts.push_back({0.36, 64 * kMiB, 32 * kMiB, nullptr, 0, 0});
        parts.push_back({0.04, 0, kEach, nullptr, 0, 0});
        parts.push_back({0.43, kEach, kEach, scattered_.get(), 0, 0});
        parts.push_back({0.02, 3 * kEach, kEach, nullptr, 0, 0});
        return parts;
    }
    void did(double accesses) override { sweep_.did(accesses); }

  private:
    static constexpr uint32_t kEach = 128 * kMiB;
    Sweep sweep_{0.15, 2 * kEach, kEach, 2.0};
    std::unique_ptr<Distribution> scattered_;
};

// A cold process in which 64 MiB begin to be hot at a third of the time.
class Ignite : public Workload {
  public:
    explicit Ignite(uint32_t ticks) : start_(ticks / 3) {
        world_.add_area(1, kHeap, kTotal);
        world_.set_quota(kRoom);
        touch_all(world_);
    }
    std::vector<Component> at(uint32_t tick, double /*accesses*/) override {
        if (tick < start_)
            return {{1.0, 0, kTotal, nullptr, 0, 0}};
        return {{0.9, 300 * kMiB, kHot, nullptr, 0, 0}, {0.1, 0, kTotal, nullptr, 0, 0}};
    }
    [[nodiscard]] uint32_t shift_tick() const override { return start_; }

  private:
    uint32_t start_;
};

// 1,024 mappings of 2 MiB over 64 TiB; one of them begins to get half of all.
class Spot : public Workload {
  public:
    Spot(uint32_t ticks, uint64_t seed) : start_(ticks / 3) {
        Random random(seed);
        for (uint64_t i = 0; i < kAreas; i++)
            world_.add_area(1, (i << 36) + ((random() % 32768) << 21), 512);
        world_.set_quota(kRoom);
        touch_all(world_);
    }
    std::vector<Component> at(uint32_t tick, double /*accesses*/) override {
        if (tick < start_)
            return {{1.0, 0, kAreas * 512, nullptr, 0, 0}};
        return {{0.5, 700 * 512, 512, nullptr, 0, 0}, {0.5, 0, kAreas * 512, nullptr, 0, 0}};
    }
    [[nodiscard]] uint32_t shift_tick() const override { return start_; }

  private:
    static constexpr uint32_t kAreas = 1024;
    uint32_t start_;
};

} // namespace

const std::vector<WorkloadInfo>& workload_list() {
    static const std::vector<WorkloadInfo> list = {
        {"gups", "a hot region of 64 MiB gets 90 %"},
        {"moving", "the same, and the region moves at half time"},
        {"zipf", "zipf 0.99 over 131,072 scattered pages"},
        {"zipf-deal", "the same, and the ranks are dealt anew at half time"},
        {"scan", "a hot region, and a scan that takes 1.25 s"},
        {"scan-slow", "a hot region, and a scan that takes 10 s"},
        {"btree", "B-tree lookups: scattered inner nodes, skewed leaves"},
        {"graph", "power-law graph: vertices by degree, edges scanned"},
        {"growing", "a growing heap, its newest 64 MiB hot"},
        {"four", "four processes with different heat"},
        {"ignite", "64 MiB begin to be hot"},
        {"spot", "2 MiB in 64 TiB begin to be hot"},
    };
    return list;
}

std::unique_ptr<Workload> make_workload(const std::string& name, uint32_t ticks, uint64_t seed) {
    if (name == "gups" || name == "moving")
        return std::make_unique<Gups>(ticks, name == "moving");
    if (name == "zipf" || name == "zipf-deal")
        return std::make_unique<Zipf>(ticks, seed, name == "zipf-deal");
    if (name == "scan" || name == "scan-slow")
        return std::make_unique<Scan>(name == "scan" ? 1.25 : 10.0);
    if (name == "btree")
        return std::make_unique<Btree>(seed);
    if (name == "graph")
        return std::make_unique<Graph>(seed);
    if (name == "growing")
        return std::make_unique<Growing>(ticks);
    if (name == "four")
        return std::make_unique<Four>(seed);
    if (name == "ignite")
        return std::make_unique<Ignite>(ticks);
    if (name == "spot")
        return std::make_unique<Spot>(ticks, seed);
    return nullptr;
}

} // namespace tiersim
