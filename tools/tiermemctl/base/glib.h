// SPDX-License-Identifier: GPL-2.0-or-later
// glib.h - GLib's reference counts and timers as C++ objects
//
// All of tiermemctl runs on the default main context, in one thread; other threads only hand
// results to it by on_main_loop().
#pragma once

#include <gio/gio.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace tiermemctl {

struct ObjectUnref {
    void operator()(gpointer object) const { g_object_unref(object); }
};
template<typename T> using GRef = std::unique_ptr<T, ObjectUnref>;

// The text of an error, which is freed.
[[nodiscard]] std::string take_message(GError* error);

// Calls a function once after a time, or again and again, unless destroyed or stopped before.
class Timer {
public:
    Timer() = default;
    ~Timer() { stop(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void once(std::chrono::milliseconds after, std::function<void()> call);
    void every(std::chrono::milliseconds interval, std::function<void()> call);
    void stop();

private:
    void start(std::chrono::milliseconds after, bool again);
    static gboolean fire(gpointer self);

    guint source_ = 0;
    bool again_ = false;
    std::function<void()> call_;
};

// From any thread: has the main loop call the function.
void on_main_loop(std::function<void()> call);

// SIGTERM and SIGINT set the flag, which is to live as long as the program, and wake the main loop.
void on_end_signals(bool& over);

// Runs the main loop until the condition holds; it is looked at after each event.
void run_until(const std::function<bool()>& condition);

} // namespace tiermemctl
