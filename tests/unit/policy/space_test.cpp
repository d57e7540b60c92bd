// SPDX-License-Identifier: GPL-2.0-or-later
// space_test.cpp - the table of address spaces against a plain map
#include <criterion/criterion.h>

#include <cstdlib>
#include <map>
#include <random>
#include <vector>

#include "space.hpp"

using namespace tiermem;

Test(space_table, random_against_a_map) {
    constexpr uint32_t max = 100;
    void* memory = std::calloc(1, SpaceTable::bytes_for(max));
    SpaceTable table{};
    table.init(memory, max);
    std::map<uint64_t, Space*> model;
    std::mt19937_64 random(5);
    for (int step = 0; step < 20000; step++) {
        // Few ids, many of them with the same low and high bits.
        const uint64_t id = (random() % 150) << (random() % 2 * 40);
        cr_assert_eq(table.find(id), model.contains(id) ? model[id] : nullptr);
        if (random() % 2 == 0 && !model.contains(id) && !table.full()) {
            auto* space = static_cast<Space*>(std::calloc(1, sizeof(Space)));
            space->id = id;
            table.insert(space);
            model[id] = space;
        } else if (random() % 2 == 0) {
            Space* gone = table.remove(id);
            cr_assert_eq(gone, model.contains(id) ? model[id] : nullptr);
            model.erase(id);
            std::free(gone);
        }
        cr_assert_eq(table.count(), model.size());
        cr_assert_eq(table.validate(), 0);
    }
    for (const auto& [id, space] : model)
        std::free(space);
    std::free(memory);
}

Test(space_table, one_slot) {
    void* memory = std::calloc(1, SpaceTable::bytes_for(1));
    SpaceTable table{};
    table.init(memory, 1);
    Space space{};
    space.id = ~uint64_t{0} - 1;
    table.insert(&space);
    cr_assert(table.full());
    cr_assert_eq(table.top(), 1U);
    cr_assert_eq(table.remove(3), nullptr);
    cr_assert_eq(table.remove(space.id), &space);
    cr_assert_eq(table.top(), 0U);
    std::free(memory);
}

Test(space_table, a_lost_entry_is_found) {
    void* memory = std::calloc(1, SpaceTable::bytes_for(4));
    SpaceTable table{};
    table.init(memory, 4);
    Space space{};
    space.id = 7;
    table.insert(&space);
    space.id = 8;
    cr_assert_eq(table.validate(), 8);
    std::free(memory);
}
