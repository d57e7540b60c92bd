// SPDX-License-Identifier: GPL-2.0-or-later
// fleet.hpp - a simulated host for the balancing function: machines that obey,
// dawdle, die, lie, pause and vanish, and a controller that only sees what a
// real one sees
#ifndef TESTS_BALANCE_FLEET_HPP
#define TESTS_BALANCE_FLEET_HPP

#include <cstdint>
#include <random>
#include <vector>

#include "balance.h"

namespace fleet {
namespace tb = tiermem::balance;

inline constexpr uint64_t MiB = uint64_t{1} << 20;
inline constexpr uint64_t GiB = uint64_t{1} << 30;
inline constexpr uint64_t kIntervalMs = 1000;

using Random = std::mt19937_64;

inline uint64_t between(Random& random, uint64_t low, uint64_t high) {
    return low + random() % (high - low + 1);
}

// A curve of (bytes, accesses per second and MiB) pieces, hottest first.
tb::Curve pieces(const std::vector<std::pair<uint64_t, uint64_t>>& parts);
// One hot set and nothing else.
inline tb::Curve hot(uint64_t bytes, uint64_t per_mib) {
    return pieces({{bytes, per_mib}});
}
// Concave, with up to kCurvePoints points, hot sets of any size within `bytes`.
tb::Curve random_curve(Random& random, uint64_t bytes);
// The same with every number off by at most `permille`.
tb::Curve noisy(Random& random, const tb::Curve& curve, uint64_t permille);
// What someone claims who wants all: infinite heat everywhere.
tb::Curve greedy(uint64_t bytes);

// A machine of `size` bytes of fast memory whose quota is `requested`.
tb::Machine machine(uint64_t size, uint64_t requested, const tb::Curve& curve);

enum class Kind { obeys, dawdles, dead };

struct Guest {
    tb::Machine seen; // what the controller knows of it
    Kind kind = Kind::obeys;
    tb::Curve curve;     // its true one
    bool lies = false;   // shows greedy() instead
    bool caught = false; // the device flags that
    bool paused = false; // answers, does nothing
    bool reachable = true;
    uint64_t requested = 0, resident = 0; // the truth
    uint64_t noise = 0;                   // permille of its curve
    uint64_t trespass = 0;                // bytes that it uses beyond what it has
};

class Host {
public:
    explicit Host(uint64_t total, uint64_t seed = 1) : total(total), random(seed) {}

    Guest& add(const tb::Machine& machine);
    // Look, decide, order, and let the guests act for one interval; `lost` is
    // the permille of commands that get lost, applied or not.
    const tb::Result& interval(uint64_t lost = 0);
    // Accesses per second that fast memory serves, by the true curves.
    [[nodiscard]] uint64_t served() const;
    // Greatest sum of residents at any time so far.
    [[nodiscard]] uint64_t most_resident() const { return most_resident_; }

    uint64_t total;
    tb::Options options;
    uint64_t now_ms = 1000;
    std::vector<Guest> guests;
    Random random;
    tb::Result last;

private:
    void look();
    void order(uint64_t lost);
    void act();
    void note_residents();
    uint64_t most_resident_ = 0;
};

} // namespace fleet

#endif
