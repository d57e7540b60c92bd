// SPDX-License-Identifier: GPL-2.0-or-later
// decide_test.cpp - single decisions and short runs: precedence, steps,
// machines that do not do what they are told, and liars
#include <criterion/criterion.h>

#include <algorithm>

#include "fleet.hpp"

using namespace tiermem::balance;
using fleet::GiB;
using fleet::Host;
using fleet::hot;
using fleet::machine;
using fleet::MiB;

namespace {
// `count` machines of 1 GiB with equal quotas and the same curve.
Host equals(size_t count, uint64_t total, const Curve& curve) {
    Host host(total);
    for (size_t i = 0; i < count; i++)
        host.add(machine(GiB, total / count, curve));
    return host;
}

void run(Host& host, int intervals) {
    for (int i = 0; i < intervals; i++)
        host.interval();
}

uint64_t target(const Host& host, size_t i) {
    return host.last.decisions[i].target;
}

uint64_t sum_of_targets(const Host& host) {
    uint64_t sum = 0;
    for (const Decision& decision : host.last.decisions)
        sum += decision.target;
    return sum;
}
} // namespace

Test(decide, the_hottest_bytes_win) {
    Host host = equals(2, GiB, hot(768 * MiB, 10));
    host.guests[1].curve = hot(768 * MiB, 1000);
    run(host, 3);
    cr_assert_eq(host.guests[1].requested, 768 * MiB);
    cr_assert_eq(host.guests[0].requested, 256 * MiB);
}

Test(decide, weights_multiply_gains) {
    Host host = equals(2, GiB, hot(768 * MiB, 100));
    host.guests[0].curve = hot(768 * MiB, 60);
    host.guests[0].seen.weight = 200;
    run(host, 3);
    cr_assert_eq(host.guests[0].requested, 768 * MiB);
}

Test(decide, shrinks_come_before_grows) {
    Host host = equals(2, GiB, hot(768 * MiB, 10));
    host.guests[1].curve = hot(768 * MiB, 1000);
    host.interval();
    cr_assert(host.last.decisions[0].changes && host.last.decisions[0].quota == 256 * MiB);
    cr_assert_not(host.last.decisions[1].changes);
    cr_assert_eq(target(host, 1), 768 * MiB);
    host.interval();
    cr_assert(host.last.decisions[1].changes && host.last.decisions[1].quota == 768 * MiB);
    cr_assert_leq(host.most_resident(), host.total);
}

Test(decide, classes_come_one_after_the_other) {
    Host host = equals(3, 768 * MiB, hot(512 * MiB, 1000));
    host.guests[0].seen.service_class = ServiceClass::best_effort;
    host.guests[1].seen.service_class = ServiceClass::burstable;
    host.guests[2].seen.service_class = ServiceClass::guaranteed;
    host.guests[2].curve = hot(512 * MiB, 10); // the coldest of all
    run(host, 5);
    cr_assert_eq(host.guests[2].requested, 512 * MiB);
    cr_assert_eq(host.guests[1].requested, 256 * MiB);
    cr_assert_eq(host.guests[0].requested, 0U);
}

Test(decide, minima_come_before_everything) {
    Host host = equals(3, 768 * MiB, hot(768 * MiB, 1000));
    host.guests[0].seen.minimum = 100 * MiB;
    host.guests[0].curve = hot(MiB, 1);
    host.guests[0].seen.service_class = ServiceClass::best_effort;
    host.guests[1].seen.service_class = ServiceClass::guaranteed;
    run(host, 5);
    cr_assert_eq(host.guests[0].requested, 100 * MiB);
    cr_assert_eq(host.guests[1].requested, 668 * MiB);
}

// Both have what their programs use, but for what their kernels have of it.
Test(decide, curves_count_beyond_the_base) {
    Host host = equals(2, 600 * MiB, hot(150 * MiB, 10));
    host.guests[1].curve = hot(150 * MiB, 1000);
    run(host, 5);
    cr_assert_eq(host.guests[1].requested, 300 * MiB);
    host.guests[0].seen.base = host.guests[1].seen.base = 200 * MiB;
    run(host, 5);
    cr_assert_eq(host.guests[0].requested, 250 * MiB);
    cr_assert_eq(host.guests[1].requested, 350 * MiB);
    const uint64_t all = rate_within(host.guests[1].curve, 150 * MiB);
    cr_assert(host.last.decisions[1].rate_now > all / 100 * 99 &&
              host.last.decisions[1].rate_now <= all);
    cr_assert_eq(host.last.reach, 600 * MiB);
}

// What a machine does not have its kernel cannot have either, and curves do not matter by weight.
Test(decide, a_base_takes_nothing_from_others) {
    Host host = equals(2, 600 * MiB, hot(GiB, 1000));
    host.guests[0].seen.base = GiB;
    host.interval();
    cr_assert_eq(host.last.reach, 600 * MiB);
    cr_assert_eq(host.last.excess, 0U);
    cr_assert_eq(target(host, 0), 300 * MiB);
    host.options.policy = Policy::fixed;
    host.guests[1].seen.weight = 200;
    run(host, 3);
    cr_assert_eq(host.guests[0].requested, 200 * MiB);
}

Test(decide, caps_hold) {
    Host host = equals(2, GiB, hot(GiB, 10));
    host.guests[1].curve = hot(GiB, 1000);
    host.guests[1].seen.cap = 600 * MiB;
    run(host, 5);
    cr_assert_eq(host.guests[1].requested, 600 * MiB);
    host.guests[0].seen.cap = host.guests[0].seen.requested = 100 * MiB;
    run(host, 5);
    cr_assert_eq(host.guests[0].requested, 100 * MiB);
}

Test(decide, what_nobody_uses_is_shared_by_weight) {
    Host host = equals(2, GiB, hot(64 * MiB, 10));
    host.guests[0].requested = host.guests[0].resident = 0;
    host.guests[1].requested = host.guests[1].resident = 0;
    host.guests[1].seen.weight = 300;
    run(host, 2);
    cr_assert_eq(host.guests[0].requested, 256 * MiB);
    cr_assert_eq(host.guests[1].requested, 768 * MiB);
}

Test(decide, by_weight_but_no_more_than_used) {
    Host host = equals(3, 1200 * MiB, hot(GiB, 10));
    host.options.policy = Policy::proportional;
    host.guests[0].curve = hot(100 * MiB, 1000000);
    host.guests[1].seen.weight = 300;
    run(host, 4);
    cr_assert_eq(host.guests[0].requested, 100 * MiB);
    cr_assert_eq(host.guests[1].requested, 825 * MiB);
    cr_assert_eq(host.guests[2].requested, 275 * MiB);
}

Test(decide, fixed_is_by_weight_whatever_is_claimed) {
    Host host = equals(3, 1000 * MiB, hot(GiB, 10));
    host.options.policy = Policy::fixed;
    host.guests[0].curve = hot(MiB, 1);
    host.guests[1].curve = hot(GiB, 100000);
    host.guests[1].seen.service_class = ServiceClass::guaranteed;
    host.guests[2].seen.weight = 200;
    run(host, 4);
    cr_assert_eq(host.guests[0].requested, 250 * MiB);
    cr_assert_eq(host.guests[1].requested, 250 * MiB);
    cr_assert_eq(host.guests[2].requested, 500 * MiB);
}

Test(decide, whole_blocks) {
    Host host = equals(2, 1000 * MiB, hot(700 * MiB, 10));
    host.guests[0].seen.block_size = 64 * MiB;
    host.guests[0].requested = host.guests[0].resident = 448 * MiB;
    host.guests[1].curve = hot(700 * MiB, 1000);
    host.guests[1].seen.block_size = 2 * MiB;
    run(host, 5);
    cr_assert_eq(host.guests[0].requested % (64 * MiB), 0U);
    cr_assert_eq(host.guests[0].requested, 256 * MiB);
    cr_assert_geq(host.guests[1].requested, 700 * MiB);
}

Test(decide, equal_machines_stay_where_they_are) {
    for (const uint64_t noise : {0, 30}) {
        Host host = equals(4, GiB, hot(512 * MiB, 100));
        for (fleet::Guest& guest : host.guests)
            guest.noise = noise;
        run(host, 5);
        uint64_t most = 0;
        for (int i = 0; i < 200; i++)
            most = std::max(most, host.interval().moving);
        cr_assert_leq(most, noise == 0 ? 0 : host.total / 100, "%lu MiB moved at noise %lu",
                      most / MiB, noise);
    }
}

Test(decide, a_trifle_moves_nothing) {
    Host host = equals(2, GiB, hot(768 * MiB, 1000));
    host.guests[1].curve = hot(768 * MiB, 1015);
    run(host, 20);
    cr_assert_eq(host.guests[0].requested, 512 * MiB);
    host.guests[1].curve = hot(768 * MiB, 1200);
    run(host, 20);
    cr_assert_eq(host.guests[0].requested, 256 * MiB);
}

Test(decide, who_does_not_answer_is_counted_with_all_it_may_have) {
    Host host = equals(3, 1536 * MiB, hot(GiB, 1000));
    host.guests[0].curve = hot(256 * MiB, 10);
    host.guests[1].reachable = false;
    run(host, 6);
    cr_assert(host.last.decisions[1].note == Note::unreachable && !host.last.decisions[1].changes);
    cr_assert_eq(host.last.decisions[1].reach, 512 * MiB);
    // What the idle one can spare goes to the third, and nothing of the second.
    cr_assert_leq(target(host, 2), 1024 * MiB);
    cr_assert_leq(sum_of_targets(host), host.total);
    host.guests[1].reachable = true;
    host.guests[1].curve = hot(MiB, 1);
    run(host, 2);
    cr_assert_eq(target(host, 2), GiB);
}

Test(decide, an_order_without_an_answer_counts) {
    Request request{.now_ms = 1000, .total = GiB, .options = {}, .machines = {}};
    request.machines.assign(2, machine(GiB, 256 * MiB, hot(GiB, 10)));
    request.machines[0].presence = Presence::unreachable;
    request.machines[0].in_flight = 700 * MiB;
    const Result result = decide(request);
    cr_assert_eq(result.decisions[0].reach, 700 * MiB);
    cr_assert_eq(result.decisions[1].quota, 324 * MiB);
}

Test(decide, the_dead_are_served_around) {
    Host host = equals(3, 1536 * MiB, hot(GiB, 1000));
    host.options.patience_ms = 3000;
    host.guests[0].curve = host.guests[1].curve = hot(MiB, 10);
    host.guests[0].kind = fleet::Kind::dead;
    run(host, 10);
    cr_assert(host.last.decisions[0].note == Note::slow);
    cr_assert_eq(host.guests[2].requested, 1536 * MiB - 512 * MiB - host.guests[1].requested);
    cr_assert_leq(host.most_resident(), host.total);
    // What it holds on to is less for the others, and not more than there is.
    cr_assert_leq(sum_of_targets(host) - target(host, 0) + 512 * MiB, host.total);
}

Test(decide, who_gets_on_is_not_slow) {
    Host host = equals(2, GiB, hot(GiB, 1000));
    host.options.patience_ms = 3000;
    host.guests[0].curve = hot(MiB, 10);
    host.guests[0].kind = fleet::Kind::dawdles;
    for (int i = 0; i < 20; i++)
        cr_assert(host.interval().decisions[0].note == Note::none);
}

Test(decide, paused_machines_are_left_alone) {
    Host host = equals(2, GiB, hot(GiB, 1000));
    host.guests[0].curve = hot(MiB, 10);
    host.guests[0].paused = true;
    run(host, 3);
    cr_assert(host.last.decisions[0].note == Note::held);
    cr_assert_eq(host.guests[0].requested, 512 * MiB);
    cr_assert_eq(host.guests[1].requested, 512 * MiB);
    host.guests[0].paused = false;
    run(host, 2);
    cr_assert_eq(host.guests[1].requested, GiB - host.guests[0].requested);
    cr_assert_gt(host.guests[1].requested, 900 * MiB);
}

Test(decide, a_trespasser_is_named_and_nobody_loses_a_minimum) {
    Host host = equals(3, 1536 * MiB, hot(GiB, 1000));
    for (fleet::Guest& guest : host.guests)
        guest.seen.minimum = 300 * MiB;
    host.interval();
    host.guests[0].trespass = 512 * MiB;
    host.interval();
    cr_assert(host.last.decisions[0].note == Note::trespassing);
    cr_assert_eq(host.last.excess, 512 * MiB);
    run(host, 15);
    cr_assert(host.last.decisions[0].note == Note::slow);
    cr_assert_eq(host.last.decisions[1].quota, 300 * MiB);
    cr_assert_eq(host.last.decisions[2].quota, 300 * MiB);
}

Test(decide, one_that_comes_with_more_than_there_is_makes_room_first) {
    Host host = equals(2, GiB, hot(GiB, 1000));
    run(host, 2);
    host.add(machine(2 * GiB, 2 * GiB, hot(2 * GiB, 1000)));
    host.interval();
    cr_assert_eq(host.last.excess, 2 * GiB);
    for (int i = 0; i < 15; i++)
        for (const Decision& decision : host.interval().decisions)
            cr_assert(!decision.changes || host.last.excess == 0 ||
                      decision.quota <= decision.reach);
    cr_assert_eq(host.last.excess, 0U);
}

Test(decide, stale_curves_count_no_more) {
    Host host = equals(2, GiB, hot(GiB, 1000));
    host.options.stale_ms = 5000;
    host.guests[1].curve = hot(GiB, 10);
    run(host, 4);
    cr_assert_eq(host.guests[0].requested, GiB);
    Request request{
        .now_ms = host.now_ms + 6000, .total = host.total, .options = host.options, .machines = {}};
    for (const fleet::Guest& guest : host.guests)
        request.machines.push_back(guest.seen);
    request.machines[1].curve_at_ms = request.now_ms;
    const Result result = decide(request);
    cr_assert(result.decisions[0].note == Note::no_curve);
    cr_assert_leq(result.decisions[0].target, 512 * MiB);
}

Test(decide, a_liar_that_is_caught_gets_its_share_at_most) {
    for (const Policy policy : {Policy::gain, Policy::proportional}) {
        Host host = equals(4, 1024 * MiB, hot(GiB, 1000));
        host.options.policy = policy;
        host.guests[0].lies = true;
        host.guests[0].caught = true;
        host.guests[0].seen.weight = 200;
        for (int i = 0; i < 100; i++) {
            host.interval();
            cr_assert_leq(host.guests[0].requested, host.last.decisions[0].share);
            for (size_t honest : {1, 2, 3})
                cr_assert(i < 5 ||
                          host.guests[honest].requested + MiB >= host.last.decisions[honest].share);
        }
        cr_assert(host.last.decisions[0].note == Note::disbelieved);
    }
}

Test(decide, what_a_caught_liar_claims_makes_no_difference) {
    fleet::Random random(5);
    for (int round = 0; round < 100; round++) {
        Request request{.now_ms = 1000, .total = 2 * GiB, .options = {}, .machines = {}};
        for (int i = 0; i < 5; i++)
            request.machines.push_back(machine(GiB, 400 * MiB, fleet::random_curve(random, GiB)));
        request.machines[0].believed = false;
        const Result before = decide(request);
        request.machines[0].curve = fleet::greedy(GiB);
        const Result after = decide(request);
        for (size_t i = 0; i < 5; i++)
            cr_assert_eq(before.decisions[i].target, after.decisions[i].target);
    }
}

Test(decide, a_curve_without_the_shape_of_one_is_not_believed) {
    Host host = equals(2, GiB, hot(GiB, 1000));
    host.guests[0].curve = fleet::pieces({{MiB, 1}, {GiB - MiB, 1000000}});
    run(host, 5);
    cr_assert(host.last.decisions[0].note == Note::disbelieved);
    cr_assert_leq(host.guests[0].requested, 512 * MiB);
}

Test(decide, a_liar_that_is_believed_gets_its_cap_at_most) {
    Host host = equals(4, GiB, hot(GiB, 1000));
    host.guests[0].lies = true;
    host.guests[0].seen.cap = 300 * MiB;
    run(host, 10);
    cr_assert_eq(host.guests[0].requested, 300 * MiB);
    for (size_t honest : {1, 2, 3})
        cr_assert_geq(host.guests[honest].requested, (GiB - 300 * MiB) / 3 - 30 * MiB);
}

Test(decide, with_keep_share_no_claim_takes_what_another_uses_of_its_share) {
    Host host = equals(4, GiB, hot(GiB, 1000));
    host.options.keep_share = 1000;
    host.guests[0].lies = true;
    host.guests[1].curve = hot(100 * MiB, 1000);
    run(host, 10);
    // Rounded to blocks.
    const uint64_t expected[] = {GiB - 2 * 256 * MiB - 100 * MiB, 100 * MiB, 256 * MiB, 256 * MiB};
    for (size_t i = 0; i < 4; i++)
        cr_assert(host.guests[i].requested + MiB / 16 > expected[i] &&
                  host.guests[i].requested < expected[i] + MiB / 16);
}

Test(decide, a_class_is_out_of_a_liars_reach) {
    Host host = equals(2, GiB, hot(700 * MiB, 10));
    host.guests[0].seen.service_class = ServiceClass::guaranteed;
    host.guests[1].lies = true;
    run(host, 5);
    cr_assert_eq(host.guests[0].requested, 700 * MiB);
}

Test(decide, once_caught_it_is_not_believed_for_a_while) {
    Host host = equals(2, GiB, hot(GiB, 1000));
    host.options.distrust_ms = 5000;
    host.guests[0].caught = true;
    host.interval();
    host.guests[0].caught = false;
    for (int i = 0; i < 4; i++)
        cr_assert(host.interval().decisions[0].note == Note::disbelieved);
    cr_assert(host.interval().decisions[0].note == Note::none);
}

Test(decide, the_same_is_decided_again) {
    fleet::Random random(9);
    Request request{.now_ms = 1000, .total = 2 * GiB, .options = {}, .machines = {}};
    for (int i = 0; i < 50; i++)
        request.machines.push_back(machine(GiB, 40 * MiB, fleet::random_curve(random, GiB)));
    const Result first = decide(request);
    const Result second = decide(request);
    for (size_t i = 0; i < 50; i++)
        cr_assert(first.decisions[i].target == second.decisions[i].target &&
                  first.decisions[i].quota == second.decisions[i].quota);
}

Test(decide, greatest_values) {
    Request request{.now_ms = ~uint64_t{0}, .total = kMaxBytes, .options = {}, .machines = {}};
    Machine greatest = machine(kMaxBytes / 40, kMaxBytes / 40, fleet::greedy(kMaxBytes));
    greatest.weight = kMaxWeight;
    greatest.curve_at_ms = ~uint64_t{0};
    request.machines.assign(40, greatest);
    request.total = kMaxBytes / 3;
    request.options.hysteresis = request.options.keep_share = 1000;
    const Result result = decide(request);
    cr_assert(result.error == Error::none);
    uint64_t sum = 0;
    for (const Decision& decision : result.decisions)
        sum += decision.target;
    cr_assert(sum <= request.total && sum > request.total / 100 * 99);
    cr_assert_eq(result.excess, kMaxBytes / 40 * 40 - request.total);
}
