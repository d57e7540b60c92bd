// SPDX-License-Identifier: GPL-2.0-or-later
// report.hpp - what a run prints, for people or as a JSON object a line.
#ifndef TIERLOAD_REPORT_HPP
#define TIERLOAD_REPORT_HPP

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "area.hpp"
#include "heat.hpp"
#include "settings.hpp"
#include "workload.hpp"

namespace tierload {

class Report {
public:
    // `watch`: files with a number each that marks show.
    Report(bool json, std::vector<std::string> watch) : json_(json), watch_(std::move(watch)) {}

    void settings(const Settings& settings, const WorkloadInfo& info, std::size_t fast_bytes) const;

    // A phase begins or ends: populated, start, shift, end. With the page moves so far.
    void mark(const std::string& name, std::uint64_t operations);

    // Operations so far.
    void interval(std::uint64_t operations);

    // What was done altogether; `checksum` only keeps the compiler honest.
    void total(std::uint64_t operations, double seconds, std::uint64_t checksum) const;

    // The hottest `chosen` pages at a phase, and the share of accesses that they get.
    void oracle(const std::string& phase, const Area& area, const Heat& heat,
                const std::vector<bool>& chosen, std::size_t ranges_shown) const;

private:
    bool json_;
    std::vector<std::string> watch_;
    std::uint64_t last_time_ = 0; // of the last interval
    std::uint64_t last_operations_ = 0;
};

} // namespace tierload

#endif
