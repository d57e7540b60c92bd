// SPDX-License-Identifier: GPL-2.0-or-later
// fleet.cpp - see fleet.hpp
#include "fleet.hpp"

#include <algorithm>

#include <criterion/criterion.h>

namespace fleet {

namespace {
constexpr int kActsPerInterval = 10;
}

tb::Curve pieces(const std::vector<std::pair<uint64_t, uint64_t>>& parts) {
    tb::Curve curve;
    tb::Point end;
    for (const auto& [bytes, per_mib] : parts) {
        end = {end.bytes + bytes, end.rate + bytes / MiB * per_mib};
        curve.points[curve.count++] = end;
    }
    return curve;
}

tb::Curve random_curve(Random& random, uint64_t bytes) {
    std::vector<std::pair<uint64_t, uint64_t>> parts;
    const uint64_t count = between(random, 1, tb::kCurvePoints);
    uint64_t heat = uint64_t{1} << between(random, 10, 20);
    for (uint64_t i = 0; i < count && bytes > MiB; i++) {
        const uint64_t part = between(random, 1, std::max<uint64_t>(1, bytes / MiB / 2)) * MiB;
        parts.emplace_back(part, heat);
        bytes -= part;
        heat -= heat / between(random, 2, 20) + 1;
        if (heat > uint64_t{1} << 20)
            break;
    }
    if (parts.empty())
        parts.emplace_back(MiB, heat);
    return pieces(parts);
}

tb::Curve noisy(Random& random, const tb::Curve& curve, uint64_t permille) {
    const auto off = [&] { return between(random, 1000 - permille, 1000 + permille); };
    // One error for all rates, one for the size of each piece: heat still descends.
    const uint64_t rates = off();
    tb::Curve result = curve;
    tb::Point end;
    tb::Point before;
    for (uint32_t i = 0; i < curve.count; i++) {
        const uint64_t sizes = off();
        end.bytes += (curve.points[i].bytes - before.bytes) / 1000 * sizes;
        end.rate += (curve.points[i].rate - before.rate) * sizes / 1000 * rates / 1000;
        before = curve.points[i];
        result.points[i] = end;
    }
    return result;
}

tb::Curve greedy(uint64_t bytes) {
    tb::Curve curve;
    curve.count = 1;
    curve.points[0] = {bytes, ~uint64_t{0}};
    return curve;
}

tb::Machine machine(uint64_t size, uint64_t requested, const tb::Curve& curve) {
    tb::Machine machine;
    machine.size = machine.cap = size;
    machine.requested = machine.actual = machine.resident = requested;
    machine.curve = curve;
    return machine;
}

Guest& Host::add(const tb::Machine& machine) {
    Guest guest;
    guest.seen = machine;
    guest.curve = machine.curve;
    guest.requested = machine.requested;
    guest.resident = machine.resident;
    guests.push_back(guest);
    return guests.back();
}

// A machine that does not answer stays as it was when it last did.
void Host::look() {
    for (Guest& guest : guests) {
        tb::Machine& seen = guest.seen;
        seen.presence = !guest.reachable ? tb::Presence::unreachable
                        : guest.paused   ? tb::Presence::held
                                         : tb::Presence::running;
        if (!guest.reachable)
            continue;
        seen.in_flight = 0;
        seen.requested = guest.requested;
        seen.actual = guest.resident;
        seen.resident = guest.resident + guest.trespass;
        seen.believed = !guest.caught;
        seen.curve_at_ms = now_ms;
        seen.curve = guest.lies    ? greedy(seen.size)
                     : guest.noise ? noisy(random, guest.curve, guest.noise)
                                   : guest.curve;
    }
}

void Host::order(uint64_t lost) {
    for (size_t i = 0; i < guests.size(); i++) {
        if (!last.decisions[i].changes)
            continue;
        Guest& guest = guests[i];
        cr_assert(guest.reachable && !guest.paused,
                  "an order for machine %zu, which cannot take it", i);
        const bool answered = random() % 1000 >= lost;
        if (answered || random() % 2 == 0)
            guest.requested = last.decisions[i].quota;
        guest.reachable = answered && guest.reachable;
        guest.seen.in_flight = std::max(guest.seen.in_flight, last.decisions[i].quota);
    }
}

// Guests grow at once and shrink late: the worst for the host.
void Host::act() {
    for (Guest& guest : guests) {
        if (guest.paused || guest.kind == Kind::dead)
            continue;
        if (guest.resident <= guest.requested)
            guest.resident = guest.requested;
        else if (guest.kind == Kind::obeys)
            guest.resident -=
                std::min(guest.resident - guest.requested, guest.seen.size / kActsPerInterval + 1);
        else if (random() % 4 == 0)
            guest.resident -= std::min(guest.resident - guest.requested, guest.seen.size / 100);
    }
}

void Host::note_residents() {
    uint64_t sum = 0;
    for (const Guest& guest : guests)
        sum += guest.resident + guest.trespass;
    most_resident_ = std::max(most_resident_, sum);
}

const tb::Result& Host::interval(uint64_t lost) {
    tb::Request request{.now_ms = now_ms, .total = total, .options = options, .machines = {}};
    look();
    for (const Guest& guest : guests)
        request.machines.push_back(guest.seen);
    last = tb::decide(request);
    cr_assert(last.error == tb::Error::none, "%s", tb::text(last.error).data());
    for (size_t i = 0; i < guests.size(); i++)
        guests[i].seen.memory = last.decisions[i].memory;
    order(lost);
    for (int i = 0; i < kActsPerInterval; i++) {
        act();
        note_residents();
    }
    now_ms += kIntervalMs;
    return last;
}

uint64_t Host::served() const {
    uint64_t sum = 0;
    for (const Guest& guest : guests)
        sum += tb::rate_within(guest.curve, guest.resident);
    return sum;
}

} // namespace fleet
