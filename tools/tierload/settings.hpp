// SPDX-License-Identifier: GPL-2.0-or-later
// settings.hpp - what a run is asked for on the command line.
#ifndef TIERLOAD_SETTINGS_HPP
#define TIERLOAD_SETTINGS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tierload {

enum class Place { none, ideal, fast, slow };

struct Settings {
    std::string workload;
    std::size_t size = std::size_t{512} << 20; // bytes of all of the workload's memory
    std::size_t hot = std::size_t{64} << 20;   // bytes of the hot region
    double hot_share = 0;                      // of the accesses; 0: the workload's own
    double skew = 0.99;                        // exponent of Zipf's law
    unsigned processes = 4;                    // of the workload of that name
    double seconds = 30;                       // guest time from start to end
    double shift_at = 0.5;                     // share of the run after which heat moves
    double interval = 1;                       // guest seconds between progress lines
    std::uint64_t seed = 1;
    bool huge = false; // transparent huge pages by madvise
    bool json = false;
    Place place = Place::none;
    std::size_t fast_bytes = 0; // for the ideal and the oracle; 0: what is free on the fast node
    int fast_node = 0;
    int slow_node = 1;
    bool oracle = false;
    std::size_t oracle_ranges = 16; // that are printed
    std::vector<std::string> watch; // files with a number each, to be read at marks
};

// Throws std::invalid_argument that names the setting and what is allowed.
void check(const Settings& settings);

// Throws std::invalid_argument when the guest has not that much memory.
void check_fits(const Settings& settings);

} // namespace tierload

#endif
