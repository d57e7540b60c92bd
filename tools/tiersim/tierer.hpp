// SPDX-License-Identifier: GPL-2.0-or-later
// tierer.hpp - something that decides which pages are fast. All see the same
// machine and pay by the same clock; each gets its information the way its
// published design does.
#ifndef TIERSIM_TIERER_HPP
#define TIERSIM_TIERER_HPP

#include <memory>
#include <string>
#include <vector>

#include "workload.hpp"
#include "world.hpp"

namespace tiersim {

inline constexpr uint32_t kTicksPerEpoch = 10;
inline constexpr double kTickNs = 50e6;

// One tick (50 ms) as a tierer sees it.
struct Tick {
    uint32_t number;
    World& world;
    const std::vector<float>& share; // of this tick's accesses, by page
    double accesses;                 // in this tick
    Random& random;
    uint64_t move_budget; // page copies allowed per tick
    double overhead_ns;   // add what the tierer's own work costs (not copies)
};

struct Sample {
    uint32_t page;
    uint64_t space;
    uint64_t address;
    uint8_t tier;
    uint32_t weight;
};

class Tierer {
  public:
    virtual ~Tierer() = default;
    // Sampling period wanted; 0: no samples.
    [[nodiscard]] virtual uint32_t period() const { return 0; }
    virtual void sample(const Sample& /*sample*/) {}
    // After all samples of the tick.
    virtual void tick(Tick& tick) = 0;
    // Is this page ranked above the cut? -1: this tierer has no such notion.
    [[nodiscard]] virtual int above_cut(const World& /*world*/, uint32_t /*page*/) const { return -1; }
};

struct TiererOptions {
    uint64_t seed = 1;
    uint32_t cpu_permille = 5;
    double accesses_per_second = 7e6; // for those that choose a fixed period
    uint64_t bandwidth = 128 << 20;   // bytes copied a second
    uint32_t space_bytes = 256 * 1024;
};

struct TiererInfo {
    const char* name;
    const char* what;
};
const std::vector<TiererInfo>& tierer_list();
std::unique_ptr<Tierer> make_tierer(const std::string& name, const TiererOptions& options, World& world);

std::unique_ptr<Tierer> make_core(const TiererOptions& options, World& world);
std::unique_ptr<Tierer> make_guest_core(const TiererOptions& options, World& world);
std::unique_ptr<Tierer> make_demeter(const TiererOptions& options, World& world);
std::unique_ptr<Tierer> make_histogram(const TiererOptions& options, World& world);
std::unique_ptr<Tierer> make_damon(const TiererOptions& options, World& world);
std::unique_ptr<Tierer> make_scanner(const TiererOptions& options, World& world);
std::unique_ptr<Tierer> make_thrifty_scanner(const TiererOptions& options, World& world);

} // namespace tiersim

#endif
