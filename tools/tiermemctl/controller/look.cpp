// SPDX-License-Identifier: GPL-2.0-or-later
// look.cpp - the state of a machine as far as sharing memory is concerned
#include "look.h"

#include <algorithm>

namespace tiermemctl {
namespace {

// MigrationStatus of query-migrate while the guest or its memory is on the move. "completed" shows
// in query-status (postmigrate), and the rest are states in which nothing moves.
constexpr const char* MOVING[] = {"setup",           "active",
                                  "pre-switchover",  "device",
                                  "wait-unplug",     "postcopy-active",
                                  "postcopy-paused", "postcopy-recover",
                                  "cancelling",      "postcopy-recover-setup"};

std::string status_in(const json& reply) {
    const auto status = reply.is_object() ? reply.find("status") : reply.end();
    return reply.is_object() && status != reply.end() && status->is_string()
               ? status->get<std::string>()
               : "";
}

} // namespace

void look(const MachinePtr& machine, std::chrono::milliseconds limit,
          const std::function<void(const Outcome<View>&)>& done) {
    auto view = std::make_shared<View>();
    auto with_device = [view, done](const Outcome<Device>& device) {
        if (!device)
            return done(device.failure());
        view->device = device.value();
        done(*view);
    };
    auto with_migration = [view, machine, limit, done, with_device](const Outcome<json>& reply) {
        if (!reply)
            return done(reply.failure());
        const std::string status = status_in(reply.value());
        view->migrating = std::any_of(std::begin(MOVING), std::end(MOVING),
                                      [&](const char* one) { return status == one; });
        query(*machine, limit, with_device);
    };
    machine->execute("query-status", nullptr, limit,
                     [view, machine, limit, done, with_migration](const Outcome<json>& reply) {
                         if (!reply)
                             return done(reply.failure());
                         view->status = status_in(reply.value());
                         machine->execute("query-migrate", nullptr, limit, with_migration);
                     });
}

} // namespace tiermemctl
