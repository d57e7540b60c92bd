// SPDX-License-Identifier: GPL-2.0-or-later
#include "worker.hpp"

#include "guest.hpp"

namespace tierload {
namespace {

constexpr std::uint64_t operations_at_once = 1024; // between two looks at the clock

} // namespace

Worker::Worker(const Settings& settings, Party& party, Placement& placement, Shared& shared,
               unsigned number)
    : settings_(settings), party_(party), placement_(placement), shared_(shared), number_(number),
      me_(party.members()[number]) {}

void Worker::prepare() {
    extent_ = me_.workload->extent_at(0);
    placement_.touch(me_.first_page, me_.first_page + extent_ / page_size);
    me_.workload->begin_extent(extent_);
    me_.workload->build();
}

void Worker::work() {
    const auto length = static_cast<std::uint64_t>(settings_.seconds * 1e9);
    std::uint64_t done = 0;
    for (;;) {
        const std::uint64_t passed = now() - shared_.start_ns;
        if (passed >= length)
            break;
        const double progress = static_cast<double>(passed) / static_cast<double>(length);
        if (me_.workload->extent_at(progress) > extent_)
            grow(progress);
        if (!shifted_ && me_.workload->shifts() && progress >= settings_.shift_at)
            shift(progress);
        me_.workload->run(operations_at_once);
        done += operations_at_once;
        shared_.worker[number_].operations.store(done, std::memory_order_relaxed);
    }
    shared_.worker[number_].checksum = me_.workload->checksum();
}

// Room is made in fast memory before new pages want it.
void Worker::grow(double progress) {
    const std::size_t before = extent_ / page_size;
    extent_ = me_.workload->extent_at(progress);
    if (settings_.place == Place::ideal)
        placement_.plan(party_.heat_to_plan(progress, shifted_));
    placement_.move(me_.first_page + before);
    placement_.touch(me_.first_page + before, me_.first_page + extent_ / page_size);
    me_.workload->begin_extent(extent_);
}

void Worker::shift(double progress) {
    shifted_ = true;
    me_.workload->shift();
    if (settings_.place == Place::ideal)
        placement_.plan(party_.heat_to_plan(progress, shifted_));
    placement_.move(me_.first_page + extent_ / page_size);
}

} // namespace tierload
