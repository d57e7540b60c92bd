// SPDX-License-Identifier: GPL-2.0-or-later
// tiermeter: a TCG plugin that says, while the guest runs, what its vCPUs have executed.
//
//   qemu-system-x86_64 -plugin tiermeter.so,counts=PATH[,period-ms=N][,range=FIRST-END] ...
//
//   translated block -> instruction_count -> refresher thread -> published_counts
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "instruction_count.h"
#include "options.h"
#include "published_counts.h"

extern "C" {
QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
}

namespace tiermeter {
namespace {

class Meter {
public:
    Meter(const Options& options, unsigned vcpus)
        : period_(options.period), vcpus_(vcpus), count_(options.range),
          published_(options.counts, vcpus) {}

    void translated(qemu_plugin_tb* block) const { count_.instrument(block); }

    // Counts are read from outside of the vCPUs only when no more of them can come.
    void vcpu_started() {
        if (++started_ == vcpus_)
            refresher_ = std::thread([this] { keep_refreshing(); });
    }

    void end() {
        {
            const std::lock_guard guard(mutex_);
            ending_ = true;
        }
        wake_.notify_all();
        if (refresher_.joinable())
            refresher_.join();
    }

private:
    void keep_refreshing() {
        std::unique_lock lock(mutex_);
        do
            published_.refresh(count_);
        while (!wake_.wait_for(lock, period_, [this] { return ending_; }));
        published_.refresh(count_);
    }

    const std::chrono::milliseconds period_;
    const unsigned vcpus_;
    std::atomic<unsigned> started_ = 0;
    InstructionCount count_;
    PublishedCounts published_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool ending_ = false; // under mutex_
    std::thread refresher_;
};

// QEMU's callbacks carry no data of ours. Never deleted: blocks refer to it.
Meter* meter;

void install(qemu_plugin_id_t id, const qemu_info_t& info, int argc, char** argv) {
    if (!info.system_emulation)
        throw std::invalid_argument("only machines can be metered, not single programs");
    if (info.system.smp_vcpus != info.system.max_vcpus)
        throw std::invalid_argument("-smp: maxcpus: vCPUs that come later cannot be metered");
    const auto options = parse_options(argc, argv);
    meter = new Meter(options, static_cast<unsigned>(info.system.smp_vcpus));
    qemu_plugin_register_vcpu_init_cb(id,
                                      [](qemu_plugin_id_t, unsigned) { meter->vcpu_started(); });
    qemu_plugin_register_vcpu_tb_trans_cb(
        id, [](qemu_plugin_id_t, qemu_plugin_tb* block) { meter->translated(block); });
    qemu_plugin_register_atexit_cb(
        id, [](qemu_plugin_id_t, void*) { meter->end(); }, nullptr);
}

} // namespace
} // namespace tiermeter

extern "C" QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info,
                                                      int argc, char** argv) {
    try {
        tiermeter::install(id, *info, argc, argv);
        return 0;
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "tiermeter: %s\n", problem.what());
        return -1;
    }
}
