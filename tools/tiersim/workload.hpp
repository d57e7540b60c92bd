// SPDX-License-Identifier: GPL-2.0-or-later
// workload.hpp - what programs do, as distributions over pages.
//
// At each tick (a tenth of an epoch) a workload is a mixture of components:
// uniform over a range of pages, or with a fixed distribution over it. So the
// true share of accesses of every page is known exactly, samples are drawn from
// it, and no access need be generated that nobody samples: a minute of a
// machine is simulated in a second.
#ifndef TIERSIM_WORKLOAD_HPP
#define TIERSIM_WORKLOAD_HPP

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "world.hpp"

namespace tiersim {

using Random = std::mt19937_64;

// A fixed distribution, drawn from in constant time (Vose's alias method).
class Distribution {
  public:
    explicit Distribution(std::vector<double> weights);
    [[nodiscard]] uint32_t draw(Random& random) const;
    [[nodiscard]] const std::vector<double>& share() const { return share_; }

  private:
    std::vector<double> share_; // sums to 1
    std::vector<double> keep_;
    std::vector<uint32_t> alias_;
};

struct Component {
    double weight; // of all components together 1
    uint32_t first;
    uint32_t count;
    const Distribution* distribution; // nullptr: uniform
    // A part of a scan: the range that the scan goes over in the long run.
    uint32_t scan_first = 0;
    uint32_t scan_count = 0; // 0: not a scan
};

// A sample of a recorded stream.
struct Recorded {
    uint32_t page;
    uint32_t weight;
};

class Workload {
  public:
    virtual ~Workload() = default;
    // The mixture at tick t if `accesses` are done in it: a scan gets on with the
    // accesses that it makes. Touches pages that come into being.
    virtual std::vector<Component> at(uint32_t tick, double accesses) = 0;
    // So many were done in the tick that at() was last asked for; the next follows.
    virtual void did(double /*accesses*/) {}
    // Ticks after which its nature has just changed (for reaction times).
    [[nodiscard]] virtual uint32_t shift_tick() const { return 0; }
    // The samples of tick t if they were recorded; nullptr: to be drawn.
    [[nodiscard]] virtual const std::vector<Recorded>* recorded(uint32_t /*tick*/) const { return nullptr; }
    World& world() { return world_; }

  protected:
    World world_;
};

struct WorkloadInfo {
    const char* name;
    const char* what;
};

// All names, in the order in which they are shown.
const std::vector<WorkloadInfo>& workload_list();

// nullptr when the name is unknown. `ticks`: length of the whole run.
std::unique_ptr<Workload> make_workload(const std::string& name, uint32_t ticks, uint64_t seed);

} // namespace tiersim

#endif
