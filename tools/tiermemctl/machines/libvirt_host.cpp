// SPDX-License-Identifier: GPL-2.0-or-later
// libvirt_host.cpp - a connection to libvirt that comes back by itself
#include "libvirt_host.h"

#include <fmt/format.h>
#include <libvirt-glib/libvirt-glib.h>
#include <libvirt/virterror.h>

#include <thread>

#include "base/glib.h"

namespace tiermemctl {
namespace {

// libvirt's events and keep-alive on GLib's main loop; its errors only where we show them.
void prepare_libvirt() {
    static std::once_flag once;
    std::call_once(once, [] {
        gvir_event_register();
        virInitialize();
        virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
    });
}

struct Waiting {
    Reply reply;
    Timer limit;
    bool settled = false;

    void settle(const Outcome<json>& outcome) {
        if (settled)
            return;
        settled = true;
        limit.stop();
        reply(outcome);
    }
};

constexpr int KEEP_ALIVE_SECONDS = 5, KEEP_ALIVE_MISSES = 3;

} // namespace

Failure libvirt_failure(const std::string& what) {
    const virError* error = virGetLastError();
    return Failure(fmt::format("{}: {}", what,
                               error != nullptr && error->message != nullptr ? error->message
                                                                             : "unknown error"));
}

int libvirt_error_code() {
    const virError* error = virGetLastError();
    return error != nullptr ? error->code : VIR_ERR_OK;
}

LibvirtHost::LibvirtHost(std::string uri) : uri_(std::move(uri)) {
    prepare_libvirt();
}

LibvirtHost::~LibvirtHost() {
    if (connection_ != nullptr)
        virConnectClose(connection_);
}

virConnectPtr LibvirtHost::connection() {
    const std::lock_guard guard(lock_);
    if (connection_ != nullptr && virConnectIsAlive(connection_) != 1) {
        virConnectClose(connection_);
        connection_ = nullptr;
        generation_++; // who has asked for events on it hears of no more
    }
    if (connection_ == nullptr) {
        connection_ = virConnectOpen(uri_.c_str());
        if (connection_ == nullptr)
            throw libvirt_failure(fmt::format("cannot connect to libvirt at {}", uri_));
        virConnectSetKeepAlive(connection_, KEEP_ALIVE_SECONDS,
                               KEEP_ALIVE_MISSES); // not every driver can
        generation_++;
    }
    virConnectRef(connection_);
    return connection_;
}

void LibvirtHost::call(Work work, std::chrono::milliseconds limit, Reply reply) {
    auto waiting = std::make_shared<Waiting>();
    waiting->reply = std::move(reply);
    waiting->limit.once(limit, [waiting, limit, uri = uri_] {
        waiting->settle(Failure(fmt::format(
            "no answer from libvirt at {} within {} ms (a longer --timeout waits longer)", uri,
            limit.count())));
    });
    auto in_thread = [self = shared_from_this(), work = std::move(work)]() -> Outcome<json> {
        try {
            const std::unique_ptr<virConnect, int (*)(virConnectPtr)> connection(self->connection(),
                                                                                 virConnectClose);
            return {work(connection.get())};
        } catch (const Failure& failure) {
            return failure;
        }
    };
    std::thread([in_thread = std::move(in_thread), waiting]() mutable {
        std::shared_ptr<Outcome<json>> outcome;
        {
            // What the work holds is let go of before anybody hears that it is done.
            const auto once = std::move(in_thread);
            outcome = std::make_shared<Outcome<json>>(once());
        }
        // What holds timers is let go of by the main loop's thread.
        on_main_loop([waiting = std::move(waiting), outcome] { waiting->settle(*outcome); });
    }).detach();
}

void LibvirtHost::domains(std::chrono::milliseconds limit,
                          std::function<void(const Outcome<std::vector<Domain>>&)> done) {
    auto list = [uri = uri_](virConnectPtr connection) {
        virDomainPtr* found = nullptr;
        const int count =
            virConnectListAllDomains(connection, &found, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
        if (count < 0)
            throw libvirt_failure(fmt::format("libvirt at {} does not list its domains", uri));
        json all = json::array();
        for (int i = 0; i < count; i++) {
            char uuid[VIR_UUID_STRING_BUFLEN] = "";
            if (virDomainGetUUIDString(found[i], uuid) == 0)
                all.push_back({{"name", virDomainGetName(found[i])},
                               {"uuid", uuid},
                               {"id", virDomainGetID(found[i])}});
            virDomainFree(found[i]);
        }
        std::free(found);
        return all;
    };
    call(list, limit, [done = std::move(done)](const Outcome<json>& outcome) {
        if (!outcome)
            return done(outcome.failure());
        std::vector<Domain> domains;
        for (const json& domain : outcome.value())
            domains.push_back({domain["name"], domain["uuid"], domain["id"].get<int>()});
        done(domains);
    });
}

} // namespace tiermemctl
