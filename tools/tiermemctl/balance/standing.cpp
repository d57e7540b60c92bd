// SPDX-License-Identifier: GPL-2.0-or-later
// standing.cpp - see standing.h
#include "standing.h"

#include <algorithm>

#include "curve.h"

namespace tiermem::balance {

namespace {
// Whether the machine has been above its quota, and come no nearer, for too long.
bool slow(const Machine& machine, const Options& options, std::uint64_t now_ms, Memory& memory) {
    const std::uint64_t holds = std::max(machine.actual, machine.resident);
    if (machine.presence != Presence::running ||
        holds <= std::max(machine.requested, machine.in_flight)) {
        memory.over_least = 0;
        return false;
    }
    if (memory.over_least == 0 || holds < memory.over_least) {
        memory.over_least = holds;
        memory.over_since_ms = now_ms;
    }
    return less(now_ms, memory.over_since_ms) >= options.patience_ms;
}

bool doubted(const Machine& machine, const Options& options, std::uint64_t now_ms, Memory& memory) {
    if (!machine.believed || !plausible(machine.curve)) {
        memory.doubted = true;
        memory.doubted_at_ms = now_ms;
    }
    memory.doubted = memory.doubted && (memory.doubted_at_ms == now_ms ||
                                        less(now_ms, memory.doubted_at_ms) < options.distrust_ms);
    return memory.doubted;
}

// Brings the mean up to date; says why there is none to go by.
Note judge_curve(const Machine& machine, const Options& options, std::uint64_t now_ms,
                 Memory& memory) {
    if (doubted(machine, options, now_ms, memory)) {
        memory.samples = 0;
        return Note::disbelieved;
    }
    if (machine.curve.count == 0 || less(now_ms, machine.curve_at_ms) > options.stale_ms) {
        memory.samples = 0;
        return Note::no_curve;
    }
    if (memory.samples == 0 || machine.curve_at_ms != memory.curve_at_ms)
        learn(memory, machine.curve, memory.target);
    memory.curve_at_ms = machine.curve_at_ms;
    return Note::none;
}

Note why_apart(const Machine& machine, const Options& options, std::uint64_t now_ms,
               Memory& memory) {
    const bool late = slow(machine, options, now_ms, memory);
    if (machine.presence == Presence::unreachable)
        return Note::unreachable;
    if (machine.presence == Presence::held)
        return Note::held;
    return late ? Note::slow : Note::none;
}
} // namespace

Standing assess(const Machine& machine, const Options& options, std::uint64_t now_ms,
                Memory& memory) {
    Standing standing;
    standing.least = blocks_up(machine.minimum, machine.block_size);
    standing.most = blocks_down(machine.cap, machine.block_size);
    standing.reach = std::min(machine.size, std::max({machine.requested, machine.actual,
                                                      machine.resident, machine.in_flight}));
    if (!memory.known)
        memory.target = machine.requested;
    memory.known = true;
    standing.held =
        std::clamp(blocks_down(memory.target, machine.block_size), standing.least, standing.most);
    const Note curve = judge_curve(machine, options, now_ms, memory);
    standing.by_curve = curve == Note::none;
    standing.note = why_apart(machine, options, now_ms, memory);
    standing.active = standing.note == Note::none;
    if (standing.active && machine.resident > std::max(machine.requested, machine.actual))
        standing.note = Note::trespassing;
    else if (standing.active)
        standing.note = curve;
    return standing;
}

} // namespace tiermem::balance
