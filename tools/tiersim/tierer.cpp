// SPDX-License-Identifier: GPL-2.0-or-later
// tierer.cpp - the tierers by name
#include "tierer.hpp"

namespace tiersim {

namespace {
class None : public Tierer {
  public:
    void tick(Tick& /*tick*/) override {}
};
} // namespace

const std::vector<TiererInfo>& tierer_list() {
    static const std::vector<TiererInfo> list = {
        {"none", "pages stay where they were first touched"},
        {"core", "this project's policy core"},
        {"core-guest", "the same as the guest's driver configures it, with ten times the CPU budget"},
        {"demeter", "ranges in virtual space, as published: period 4093, threshold 15"},
        {"histogram", "counts per page in physical space, as Memtis"},
        {"damon", "access bits of sampled pages of adaptive regions, as DAMON"},
        {"scanner", "access bits of all pages, scanned every 250 ms whatever that costs"},
        {"scanner-budget", "the same within the CPU budget"},
    };
    return list;
}

std::unique_ptr<Tierer> make_tierer(const std::string& name, const TiererOptions& options, World& world) {
    if (name == "none")
        return std::make_unique<None>();
    if (name == "core")
        return make_core(options, world);
    if (name == "core-guest")
        return make_guest_core(options, world);
    if (name == "demeter")
        return make_demeter(options, world);
    if (name == "histogram")
        return make_histogram(options, world);
    if (name == "damon")
        return make_damon(options, world);
    if (name == "scanner")
        return make_scanner(options, world);
    if (name == "scanner-budget")
        return make_thrifty_scanner(options, world);
    return nullptr;
}

} // namespace tiersim
