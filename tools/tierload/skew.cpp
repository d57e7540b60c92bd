// SPDX-License-Identifier: GPL-2.0-or-later
#include "skew.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace tierload {
namespace {

constexpr std::uint64_t exact_ranks = 64;
constexpr unsigned buckets_per_doubling = 16;

// Ranks in the bucket that begins at `first`.
std::uint64_t bucket_size(std::uint64_t first) {
    return first < exact_ranks ? 1 : std::bit_floor(first) / buckets_per_doubling;
}

} // namespace

Skew::Skew(std::uint64_t count, double exponent) {
    add_buckets(count, exponent);
    fill_aliases();
}

void Skew::add_buckets(std::uint64_t count, double exponent) {
    double total = 0;
    for (std::uint64_t first = 0; first < count;) {
        const std::uint64_t size = std::min(bucket_size(first), count - first);
        double weight = 0;
        for (std::uint64_t rank = first; rank < first + size; rank++)
            weight += std::pow(static_cast<double>(rank + 1), -exponent);
        buckets_.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(size),
                            std::numeric_limits<std::uint32_t>::max(), 0});
        weights_.push_back(weight);
        total += weight;
        first += size;
    }
    for (double& weight : weights_)
        weight /= total;
}

void Skew::fill_aliases() {
    std::vector<double> scaled;
    std::vector<std::uint32_t> light, heavy;
    for (std::uint32_t i = 0; i < weights_.size(); i++) {
        scaled.push_back(weights_[i] * static_cast<double>(weights_.size()));
        (scaled[i] < 1 ? light : heavy).push_back(i);
    }
    while (!light.empty() && !heavy.empty()) {
        const std::uint32_t from = light.back(), to = heavy.back();
        light.pop_back();
        buckets_[from].keep = static_cast<std::uint32_t>(scaled[from] * 0x1p32);
        buckets_[from].alias = to;
        scaled[to] -= 1 - scaled[from];
        if (scaled[to] < 1) {
            heavy.pop_back();
            light.push_back(to);
        }
    }
}

double Skew::weight(std::uint64_t rank) const {
    const auto after = std::upper_bound(
        buckets_.begin(), buckets_.end(), rank,
        [](std::uint64_t wanted, const Bucket& bucket) { return wanted < bucket.first; });
    const auto index = static_cast<std::size_t>(after - buckets_.begin() - 1);
    return weights_[index] / buckets_[index].count;
}

} // namespace tierload
