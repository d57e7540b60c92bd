// SPDX-License-Identifier: GPL-2.0-or-later
// The oracle's arithmetic, beside plain ways to do the same.
#include <algorithm>
#include <cmath>
#include <criterion/criterion.h>
#include <numeric>

#include "area.hpp"
#include "heat.hpp"
#include "random.hpp"

using namespace tierload;

Test(spread, covers_pages_by_their_part) {
    Heat heat(4);
    spread(heat, page_size / 2, 2 * page_size, 3);
    cr_assert_float_eq(heat[0], 1, 1e-6);
    cr_assert_float_eq(heat[1], 2, 1e-6);
    cr_assert_float_eq(heat[2] + heat[3], 0, 1e-9);
}

Test(spread, of_nothing_is_nothing) {
    Heat heat(1);
    spread(heat, 5, 5, 1);
    spread(heat, 6, 5, 1);
    cr_assert_float_eq(heat[0], 0, 1e-9);
}

Test(hottest, takes_as_many_as_fit) {
    const Heat heat = {1, 4, 3, 2};
    for (const std::size_t pages : {0, 1, 2, 3, 4, 5}) {
        const auto chosen = hottest(heat, pages, 1);
        const auto count = static_cast<std::size_t>(std::count(chosen.begin(), chosen.end(), true));
        cr_assert_eq(count, std::min<std::size_t>(pages, 4));
    }
    cr_assert(hottest(heat, 2, 1) == std::vector<bool>({false, true, true, false}));
}

Test(hottest, takes_whole_units) {
    const Heat heat = {0, 9, 4, 4, 5, 5};
    cr_assert(hottest(heat, 3, 2) == std::vector<bool>({false, false, false, false, true, true}));
    cr_assert(hottest(heat, 4, 2) == std::vector<bool>({true, true, false, false, true, true}));
}

Test(hottest, leaves_equals_where_they_are) {
    const Heat heat = {1, 1, 1, 2};
    cr_assert(hottest(heat, 2, 1, {false, false, true, false}) ==
              std::vector<bool>({false, false, true, true}));
}

Test(hottest, gets_no_less_than_any_other_choice) {
    Random random(1);
    Heat heat(300);
    for (float& page : heat)
        page = static_cast<float>(Random::below(random.next(), 1000));
    Heat sorted = heat;
    std::sort(sorted.rbegin(), sorted.rend());
    const double best = std::accumulate(sorted.begin(), sorted.begin() + 100, 0.0);
    const double all = std::accumulate(sorted.begin(), sorted.end(), 0.0);
    cr_assert(std::abs(share_of(heat, hottest(heat, 100, 1)) - best / all) < 1e-6);
}

Test(ranges, are_joined_and_sorted_by_heat_per_page) {
    const Heat heat = {1, 1, 0, 5, 0, 2, 2};
    const auto found = ranges(heat, {true, true, false, true, false, true, true});
    cr_assert_eq(found.size(), 3);
    cr_assert(found[0].first == 3 && found[0].count == 1 && found[0].share == 5);
    cr_assert(found[1].first == 5 && found[1].count == 2 && found[1].share == 4);
    cr_assert(found[2].first == 0 && found[2].count == 2 && found[2].share == 2);
}

Test(share_of, nothing_at_all_is_1) {
    cr_assert_float_eq(share_of(Heat(3), std::vector<bool>(3)), 1, 1e-9);
}
