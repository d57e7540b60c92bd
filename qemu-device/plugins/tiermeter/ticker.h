// SPDX-License-Identifier: GPL-2.0-or-later
// A thread that does something over and over by the host's clock, and once more when it ends.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace tiermeter {

class Ticker {
public:
    Ticker(std::chrono::milliseconds period, std::function<void()> act)
        : period_(period), act_(std::move(act)) {}
    ~Ticker() { end(); }
    Ticker(const Ticker&) = delete;
    Ticker& operator=(const Ticker&) = delete;

    // Once.
    void start() {
        thread_ = std::thread([this] { run(); });
    }
    // Returns when it has acted for the last time; does nothing when it never started.
    void end() {
        {
            const std::lock_guard guard(mutex_);
            ending_ = true;
        }
        wake_.notify_all();
        if (thread_.joinable())
            thread_.join();
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        do
            act_();
        while (!wake_.wait_for(lock, period_, [this] { return ending_; }));
        act_();
    }

    const std::chrono::milliseconds period_;
    const std::function<void()> act_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool ending_ = false; // under mutex_
    std::thread thread_;
};

} // namespace tiermeter
