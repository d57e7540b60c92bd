// SPDX-License-Identifier: GPL-2.0-or-later
// refuse_test.cpp - what is refused as a whole, and named
#include <criterion/criterion.h>

#include "balance.h"
#include "fleet.hpp"

using namespace tiermem::balance;
using fleet::GiB;
using fleet::MiB;

namespace {
Request two_machines() {
    Request request{.now_ms = 1000, .total = GiB, .options = {}, .machines = {}};
    request.machines = {fleet::machine(GiB, 512 * MiB, fleet::hot(MiB, 1)),
                        fleet::machine(GiB, 512 * MiB, fleet::hot(MiB, 1))};
    return request;
}

void refused(const Request& request, Error error, size_t machine) {
    const Result result = decide(request);
    cr_assert_eq(static_cast<int>(result.error), static_cast<int>(error), "%s",
                 text(result.error).data());
    cr_assert_eq(result.machine, machine);
    cr_assert(result.decisions.empty());
    cr_assert_not(text(error).empty());
}
} // namespace

Test(refuse, nothing_of_what_is_right) {
    const Result result = decide(two_machines());
    cr_assert(result.error == Error::none && result.decisions.size() == 2);
    cr_assert(decide(Request{}).error == Error::none);
}

Test(refuse, totals_below_the_minima) {
    Request request = two_machines();
    request.machines[0].minimum = request.machines[1].minimum = 512 * MiB;
    cr_assert(decide(request).error == Error::none);
    request.total--;
    refused(request, Error::total_below_minima, 1);
    cr_assert_eq(decide(request).needed, GiB);
    // Minima count in whole blocks, also those of machines that do not answer.
    request = two_machines();
    request.machines[0].minimum = 512 * MiB + 1;
    request.machines[1].minimum = 512 * MiB;
    request.machines[1].presence = Presence::unreachable;
    refused(request, Error::total_below_minima, 1);
    cr_assert_eq(decide(request).needed, GiB + 4096);
}

Test(refuse, sizes_whose_sum_is_too_great) {
    Request request{.now_ms = 0, .total = kMaxBytes, .options = {}, .machines = {}};
    request.machines.assign(2, fleet::machine(kMaxBytes / 2, 0, {}));
    cr_assert(decide(request).error == Error::none);
    request.machines.push_back(fleet::machine(4096, 0, {}));
    refused(request, Error::size_range, 2);
}

Test(refuse, sizes) {
    Request request = two_machines();
    request.total = kMaxBytes + 1;
    refused(request, Error::size_range, 0);
    for (uint64_t Machine::*const field :
         {&Machine::size, &Machine::minimum, &Machine::cap, &Machine::requested, &Machine::actual,
          &Machine::resident, &Machine::in_flight}) {
        request = two_machines();
        request.machines[1].*field = kMaxBytes + 1;
        refused(request, Error::size_range, 1);
    }
}

Test(refuse, weights) {
    Request request = two_machines();
    for (const uint32_t weight : {0U, kMaxWeight + 1, ~0U}) {
        request.machines[1].weight = weight;
        refused(request, Error::weight_range, 1);
    }
    for (const uint32_t weight : {1U, kMaxWeight}) {
        request.machines[1].weight = weight;
        cr_assert(decide(request).error == Error::none);
    }
}

Test(refuse, blocks) {
    Request request = two_machines();
    for (const uint64_t block : {uint64_t{0}, uint64_t{12288}, 2 * GiB, ~uint64_t{0}}) {
        request.machines[0].block_size = block;
        refused(request, Error::block_size, 0);
    }
    request.machines[0].block_size = GiB;
    cr_assert(decide(request).error == Error::none);
}

Test(refuse, caps) {
    Request request = two_machines();
    request.machines[0].cap = GiB + 1;
    refused(request, Error::cap_above_size, 0);
    request.machines[0].cap = 8191;
    request.machines[0].minimum = 4097;
    refused(request, Error::minimum_above_cap, 0);
    request.machines[0].minimum = 4096;
    cr_assert(decide(request).error == Error::none);
}

Test(refuse, options) {
    for (uint32_t Options::*const field :
         {&Options::keep_share, &Options::hysteresis, &Options::least_gain}) {
        Request request = two_machines();
        request.options.*field = 1000;
        cr_assert(decide(request).error == Error::none);
        request.options.*field = 1001;
        refused(request, Error::option_range, 0);
    }
}

Test(refuse, too_many_machines) {
    Request request;
    request.machines.resize(kMaxMachines + 1);
    refused(request, Error::too_many_machines, 0);
}

Test(refuse, all_have_a_text) {
    for (int i = 0; i <= static_cast<int>(Error::total_below_minima); i++)
        cr_assert_neq(text(static_cast<Error>(i)), "unknown error");
    for (int i = 0; i <= static_cast<int>(Note::disbelieved); i++)
        cr_assert_neq(text(static_cast<Note>(i)), "unknown note");
}
