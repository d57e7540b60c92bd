// SPDX-License-Identifier: GPL-2.0-or-later
// skew.hpp - ranks drawn by Zipf's law, rank k with a weight of 1 / (k + 1)^exponent.
//
// The first ranks have their exact weights; the others are drawn evenly from buckets, sixteen to a
// doubling of the rank, each with the exact weight of its ranks. So all tables stay within a few
// KiB of cache, and a draw takes two of the table's lines and no floating point.
#ifndef TIERLOAD_SKEW_HPP
#define TIERLOAD_SKEW_HPP

#include <cstdint>
#include <vector>

#include "random.hpp"

namespace tierload {

class Skew {
public:
    // 1 <= count < 2^32, exponent >= 0.
    Skew(std::uint64_t count, double exponent);

    std::uint64_t draw(Random& random) const {
        const std::uint64_t r = random.next();
        const Bucket* bucket = &buckets_[Random::below(r, buckets_.size())];
        if (static_cast<std::uint32_t>(r) > bucket->keep)
            bucket = &buckets_[bucket->alias];
        return bucket->first + Random::below(random.next(), bucket->count);
    }

    // The probability of one rank.
    [[nodiscard]] double weight(std::uint64_t rank) const;

private:
    struct Bucket {
        std::uint32_t first;
        std::uint32_t count;
        std::uint32_t keep; // of 2^32; beyond it the alias is taken (Vose's alias method)
        std::uint32_t alias;
    };

    void add_buckets(std::uint64_t count, double exponent);
    void fill_aliases();

    std::vector<Bucket> buckets_;
    std::vector<double> weights_; // of the buckets, 1 together
};

} // namespace tierload

#endif
