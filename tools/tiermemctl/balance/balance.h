// SPDX-License-Identifier: GPL-2.0-or-later
// balance.h - how a host's fast memory is shared out between machines: a pure
// function of time, of what the machines said, and of what it returned before
//
//     Request in{.now_ms = now, .total = 8 * GiB};
//     in.machines = { ... };                  // one entry a machine, each interval
//     Result out = decide(in);                // no I/O, no clock, no global state
//     if (out.error != Error::none) ...       // nothing was decided
//     for each i with out.decisions[i].changes:  set-quota to out.decisions[i].quota
//     keep out.decisions[i].memory and pass it in with machine i the next time
//
// Words. The target is what a machine is to have in the end; the quota is the
// step towards it that is safe now. A machine's reach is what it may populate
// until it has obeyed a smaller quota: the greatest of requested, actual,
// resident and in_flight. Shrinks are ordered at once, grows only as far as the
// sum of all reaches and grows stays within the total, so a grow waits until
// the shrink that pays for it has been seen to be done.
//
// Order of precedence: everybody's minimum; then the classes one after the
// other, and within a class by the policy; what nobody has a use for stays
// where it is, and is shared out by weight where it is nobody's yet.
//
// All arithmetic is in integers, saturating or in 128 bits, so that a decision
// is the same on every host and compiler: no floating point. Units: bytes,
// milliseconds, accesses per second. Thread-safe: no state is shared. Takes
// O(machines x points) time and memory. Throws nothing but std::bad_alloc.
#ifndef TIERMEMCTL_BALANCE_H
#define TIERMEMCTL_BALANCE_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tiermem::balance {

// As many points as the guest's policy core makes (TM_CURVE_POINTS).
inline constexpr std::size_t kCurvePoints = 32;
// Greatest weight, as on the wire (VIRTIO_TIERMEM_MAX_WEIGHT).
inline constexpr std::uint32_t kMaxWeight = 10000;
// No size may be greater, nor the sum of the machines' sizes, so that sums fit
// into 64 bits and products into 128.
inline constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 60;
// Rates are taken for this at most; far above what a machine can do.
inline constexpr std::uint64_t kMaxRate = std::uint64_t{1} << 48;
inline constexpr std::size_t kMaxMachines = std::size_t{1} << 20;

// One point of a hotness curve: within the hottest `bytes` of the guest's
// memory there are `rate` accesses per second.
struct Point {
    std::uint64_t bytes = 0;
    std::uint64_t rate = 0;
};

// Hotness by descending heat. Bytes rise from point to point, rates do not
// fall, and the accesses per byte do not rise. count 0: the guest gave none.
struct Curve {
    std::uint32_t count = 0;
    std::array<Point, kCurvePoints> points{};
};

// In descending order of precedence (TiermemQosClass).
enum class ServiceClass : std::uint8_t { guaranteed, burstable, best_effort };

enum class Policy : std::uint8_t {
    gain,         // the next byte goes where weight x accesses saved is greatest
    proportional, // by weight, but to nobody more than its curve has a use for
    fixed,        // by weight alone; curves and classes do not matter ("static")
};

enum class Presence : std::uint8_t {
    running,     // answers, and the guest can act on a quota
    held,        // answers, but the guest cannot act (paused, being migrated)
    unreachable, // did not answer: the values are the last that were known
};

// What the function remembers of a machine from one interval to the next. The
// caller keeps it and does not look inside; a new machine has a fresh one.
struct Memory {
    bool known = false;
    std::uint32_t samples = 0;       // curves in the average since it last jumped
    std::uint32_t noise = 0;         // mean deviation from the average, 1/1024 permille
    std::uint64_t target = 0;        // bytes
    std::uint64_t curve_at_ms = 0;   // of the newest curve in the average
    std::uint64_t doubted_at_ms = 0; // when it was last disbelieved
    bool doubted = false;            // whether it ever was
    std::uint64_t over_since_ms = 0; // since when reach is above the quota
    std::uint64_t over_least = 0;    // least reach since then: whether it gets on
    Curve average;
};

// One machine. All sizes are of its fast tier, in bytes.
struct Machine {
    Presence presence = Presence::running;
    ServiceClass service_class = ServiceClass::burstable;
    std::uint32_t weight = 100;      // 1 .. kMaxWeight
    std::uint64_t size = 0;          // most that the tier can have
    std::uint64_t block_size = 4096; // quotas are multiples of it; a power of two
    std::uint64_t minimum = 0;       // guaranteed
    std::uint64_t cap = 0;           // most that it is to have; at most size
    // What no program gets, as the guest's kernel has it: the curve counts beyond it, and the
    // machine is not asked for it. It is no promise.
    std::uint64_t base = 0;
    std::uint64_t requested = 0; // its quota now
    std::uint64_t actual = 0;    // what the guest has not surrendered
    std::uint64_t resident = 0;  // populated; size where the host cannot tell
    // Greatest quota sent since the values above were read, whether or not it
    // was answered; 0: none. Simplest: set it when sending, clear it with the
    // next values that are read. Matters for a machine that vanishes.
    std::uint64_t in_flight = 0;
    bool believed = true;          // false: the device doubts the statistics
    std::uint64_t curve_at_ms = 0; // when the curve was received, on now_ms's clock
    Curve curve;
    Memory memory;
};

struct Options {
    Policy policy = Policy::gain;
    // A machine that is above its quota and has not come nearer for so long is
    // slow: others are served from what is left beside it.
    std::uint64_t patience_ms = 10000;
    // A curve that is older is no longer used.
    std::uint64_t stale_ms = 120000;
    // So long a machine stays disbelieved after it was.
    std::uint64_t distrust_ms = 60000;
    // Permille of its weighted share that a machine with a use for it keeps,
    // whatever others of its class claim: 0 trusts every curve that is
    // believed, 1000 lets no claim take a byte of another one's share.
    std::uint32_t keep_share = 0;
    // A byte moves to another machine when it saves that many permille more
    // there, and as much as chance alone would account for: twice the mean
    // deviation of the machine's own curves, at most 100 permille.
    std::uint32_t hysteresis = 20;
    // A machine grows when that saves at least so many permille of its accesses.
    std::uint32_t least_gain = 9;
};

struct Request {
    std::uint64_t now_ms = 0; // any monotonic clock
    std::uint64_t total = 0;  // fast memory of the host that may be used
    Options options;
    std::vector<Machine> machines;
};

// Why a request was refused as a whole. `machine` of the result says which one.
enum class Error : std::uint8_t {
    none,
    too_many_machines, // more than kMaxMachines
    option_range,      // keep_share, hysteresis or least_gain above 1000
    size_range,        // total, a size, or the sum of the sizes so far above kMaxBytes
    weight_range,      // weight not in 1 .. kMaxWeight
    block_size,        // not a power of two, or above size
    cap_above_size,
    minimum_above_cap,  // also: above it once rounded up to blocks
    total_below_minima, // `needed` of the result: sum of the minima, in blocks
};

// A sentence for people, without the machine's name: "the weight is not ...".
[[nodiscard]] std::string_view text(Error error);

enum class Note : std::uint8_t {
    none,
    unreachable, // counted with its reach; left alone
    held,        // the same
    slow,        // above its quota for longer than patience_ms; counted with its reach
    trespassing, // resident above both requested and actual
    no_curve,    // gets its weighted share at most: no curve, or a stale one
    disbelieved, // the same: the device or this function doubts the curve
};

[[nodiscard]] std::string_view text(Note note);

struct Decision {
    std::uint64_t target = 0; // what it is to have in the end
    std::uint64_t quota = 0;  // what to set now; equals requested if !changes
    bool changes = false;
    Note note = Note::none;  // the first that applies, in the order of the enum
    std::uint64_t reach = 0; // what it may populate now
    std::uint64_t share = 0; // its weighted share of the total, for people
    // Accesses per second that fast memory serves by its curve, 0 without one:
    std::uint64_t rate_now = 0;    // with the quota it has
    std::uint64_t rate_target = 0; // with the target
    Memory memory;
};

struct Result {
    Error error = Error::none;
    std::size_t machine = 0;  // the first to which error applies
    std::uint64_t needed = 0; // with total_below_minima: bytes
    std::uint64_t reach = 0;  // sum of reaches before this step
    // Sum of the reaches above the total: > 0 only if it was so before, because
    // of a machine that came with more, a trespasser, or a smaller total.
    std::uint64_t excess = 0;
    std::uint64_t moving = 0;        // bytes of quota that this step gives and takes, the greater
    std::vector<Decision> decisions; // one a machine, in order; empty on error
};

[[nodiscard]] Result decide(const Request& request);

// Accesses per second within the hottest `bytes`: linear between points. Of a
// curve that is not one, a meaningless number.
[[nodiscard]] std::uint64_t rate_within(const Curve& curve, std::uint64_t bytes);

} // namespace tiermem::balance

#endif
