// SPDX-License-Identifier: GPL-2.0-or-later
// The cache model, against a plain one and in its limits.
#include "cache_model.h"

#include <criterion/criterion.h>
#include <list>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using tiermeter::CacheModel;
using tiermeter::CacheShape;

namespace {

// Lists instead of arrays, newest first.
class PlainCache {
public:
    PlainCache(std::size_t sets, std::size_t ways) : sets_(sets), ways_(ways) {}

    bool touch(std::uint32_t line) {
        auto& set = sets_[line % sets_.size()];
        const auto before = set.size();
        set.remove(line);
        const bool found = set.size() < before;
        set.push_front(line);
        if (set.size() > ways_)
            set.pop_back();
        return found;
    }

private:
    std::vector<std::list<std::uint32_t>> sets_;
    std::size_t ways_;
};

void compare(std::size_t sets, std::uint32_t ways, std::uint32_t lines) {
    CacheModel model({.size = sets * ways * 64, .ways = ways, .line = 64});
    PlainCache plain(sets, ways);
    std::mt19937 random(1);
    for (int i = 0; i < 100'000; i++) {
        const std::uint32_t line = static_cast<std::uint32_t>(random()) % lines;
        cr_assert(model.touch(line) == plain.touch(line), "%zu sets of %u ways, step %d", sets,
                  ways, i);
    }
}

std::string refusal(const CacheShape& shape) {
    try {
        tiermeter::check_shape(shape);
    } catch (const std::invalid_argument& problem) {
        return problem.what();
    }
    return "";
}

} // namespace

Test(cache, does_what_a_plain_model_does) {
    compare(1, 1, 3);
    compare(1, 4, 6);
    compare(8, 1, 20);
    compare(16, 16, 400);
    compare(4, 64, 300);
}

Test(cache, holds_as_many_lines_as_it_has) {
    CacheModel cache({.size = 8192, .ways = 4, .line = 64});
    for (int round = 0; round < 3; round++)
        for (std::uint32_t line = 0; line < 128; line++)
            cr_assert(cache.touch(line) == (round > 0));
    cr_assert(!cache.touch(128));
    cr_assert(!cache.touch(0)); // the oldest of its set had to leave
}

Test(cache, one_line_more_than_ways_in_turn_always_misses) {
    CacheModel cache({.size = 16 * 64, .ways = 16, .line = 64});
    for (int i = 0; i < 17 * 10; i++)
        cr_assert(!cache.touch(static_cast<std::uint32_t>(i % 17)));
}

Test(cache, the_last_line_that_is_allowed) {
    CacheModel cache({});
    cr_assert(!cache.touch(UINT32_MAX - 1));
    cr_assert(cache.touch(UINT32_MAX - 1));
}

Test(cache, shapes_that_cannot_be_are_refused_by_name) {
    cr_assert(refusal({}).empty());
    cr_assert(refusal({.size = 11 << 17, .ways = 11, .line = 64}).empty());
    cr_assert(refusal({.size = 8 << 20, .ways = 11, .line = 64}).starts_with("llc-size=8388608: "));
    cr_assert(refusal({.size = 3 << 20, .ways = 16, .line = 64}).starts_with("llc-size="));
    cr_assert(refusal({.size = 0, .ways = 16, .line = 64}).starts_with("llc-size=0"));
    cr_assert(refusal({.size = UINT64_MAX, .ways = 16, .line = 64}).starts_with("llc-size="));
    cr_assert(refusal({.size = 1ULL << 40, .ways = 1, .line = 16}).starts_with("llc-size="));
    cr_assert(refusal({.size = 8 << 20, .ways = 16, .line = 48}).starts_with("llc-line=48"));
}
