// SPDX-License-Identifier: GPL-2.0-or-later
// party.hpp - who takes part in a run: one process, or several with different heat, each with its
// part of one area, and what the oracle knows of all of them together.
#ifndef TIERLOAD_PARTY_HPP
#define TIERLOAD_PARTY_HPP

#include <memory>
#include <vector>

#include "area.hpp"
#include "heat.hpp"
#include "settings.hpp"
#include "workload.hpp"

namespace tierload {

struct Member {
    std::size_t first_page; // of its part of the area
    std::size_t pages;
    int nice;      // each member is nicer than the one before, and so gets less of the processor
    double weight; // the share of the processor that follows from it
    std::unique_ptr<Workload> workload;
};

class Party {
public:
    Party(const Area& area, const Settings& settings);

    [[nodiscard]] std::vector<Member>& members() { return members_; }
    [[nodiscard]] bool shifts() const { return members_[0].workload->shifts(); }

    // Of each page of the area at a share of the run.
    [[nodiscard]] Heat heat(double progress, bool shifted) const;

    // For placing memory at some time: the heat from then on, and of equals those first that will
    // be hot after the shift.
    [[nodiscard]] Heat heat_to_plan(double progress, bool shifted) const;

private:
    const Area& area_;
    std::vector<Member> members_;
};

} // namespace tierload

#endif
