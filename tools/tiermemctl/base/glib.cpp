// SPDX-License-Identifier: GPL-2.0-or-later
// glib.cpp - GLib's reference counts and timers as C++ objects
#include "glib.h"

#include <glib-unix.h>

#include <csignal>

#include <utility>

namespace tiermemctl {

std::string take_message(GError* error) {
    std::string text = error != nullptr ? error->message : "unknown error";
    g_clear_error(&error);
    return text;
}

void Timer::once(std::chrono::milliseconds after, std::function<void()> call) {
    stop();
    call_ = std::move(call);
    start(after, false);
}

void Timer::every(std::chrono::milliseconds interval, std::function<void()> call) {
    stop();
    call_ = std::move(call);
    start(interval, true);
}

void Timer::start(std::chrono::milliseconds after, bool again) {
    again_ = again;
    source_ = g_timeout_add(static_cast<guint>(after.count()), fire, this);
}

void Timer::stop() {
    if (source_ != 0)
        g_source_remove(std::exchange(source_, 0));
    call_ = nullptr; // what it holds may hold this timer
}

gboolean Timer::fire(gpointer self) {
    auto* timer = static_cast<Timer*>(self);
    const bool again = timer->again_;
    if (!again)
        timer->source_ = 0;
    // It may destroy the timer.
    const auto call = again ? timer->call_ : std::exchange(timer->call_, nullptr);
    call();
    return again ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void on_main_loop(std::function<void()> call) {
    auto run = [](gpointer held) -> gboolean {
        (*static_cast<std::function<void()>*>(held))();
        return G_SOURCE_REMOVE;
    };
    auto drop = [](gpointer held) { delete static_cast<std::function<void()>*>(held); };
    g_idle_add_full(G_PRIORITY_DEFAULT, run, new std::function<void()>(std::move(call)), drop);
}

void on_end_signals(bool& over) {
    auto set = [](gpointer flag) -> gboolean {
        *static_cast<bool*>(flag) = true;
        return G_SOURCE_CONTINUE;
    };
    g_unix_signal_add(SIGTERM, set, &over);
    g_unix_signal_add(SIGINT, set, &over);
}

void run_until(const std::function<bool()>& condition) {
    while (!condition())
        g_main_context_iteration(nullptr, TRUE);
}

} // namespace tiermemctl
