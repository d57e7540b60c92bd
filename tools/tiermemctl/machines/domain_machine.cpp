// SPDX-License-Identifier: GPL-2.0-or-later
// domain_machine.cpp - a running domain of libvirt, asked by its monitor through libvirt
#include "domain_machine.h"

#include <fmt/format.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include <utility>

#include "base/glib.h"

namespace tiermemctl {
namespace {

constexpr std::chrono::seconds CHECK_INTERVAL{1};

using DomainRef = std::unique_ptr<virDomain, int (*)(virDomainPtr)>;

// The domain, if it still runs as what it was when it was found.
DomainRef find(virConnectPtr connection, const LibvirtHost::Domain& wanted,
               std::atomic<bool>& gone) {
    DomainRef domain(virDomainLookupByUUIDString(connection, wanted.uuid.c_str()), virDomainFree);
    const bool other = domain && static_cast<int>(virDomainGetID(domain.get())) != wanted.id;
    gone = other || (!domain && libvirt_error_code() == VIR_ERR_NO_DOMAIN);
    if (gone)
        throw Failure("the domain has ended");
    if (!domain)
        throw libvirt_failure("libvirt does not find the domain");
    return domain;
}

json ask(virDomainPtr domain, const std::string& command, const json& message) {
    char* answer = nullptr;
    if (virDomainQemuMonitorCommand(domain, message.dump().c_str(), &answer,
                                    VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT) < 0) {
        if (libvirt_error_code() == VIR_ERR_NO_SUPPORT)
            throw Failure("libvirt's driver for this domain has no QEMU monitor; only QEMU's "
                          "domains can have tiers");
        throw libvirt_failure(fmt::format("libvirt could not give {} to the domain", command));
    }
    const std::unique_ptr<char, void (*)(void*)> freed(answer, std::free);
    return parse_object(answer);
}

} // namespace

// What libvirt's callbacks refer to; lives until libvirt frees it.
struct DomainMachine::Subscription {
    OnEvent on_event; // both empty once nobody listens; used on the main loop only
    OnEnd on_end;
    std::atomic<int> callback{-1};
    Timer check;
};

DomainMachine::DomainMachine(LibvirtHostPtr host, const LibvirtHost::Domain& domain)
    : Machine(domain.name, fmt::format("domain {} of {}", domain.name, host->uri())),
      host_(std::move(host)), domain_(domain) {}

DomainMachine::~DomainMachine() {
    DomainMachine::unwatch(); // a derived one is gone by now
}

std::string DomainMachine::incarnation() const {
    return fmt::format("{}:{}", domain_.uuid, domain_.id);
}

void DomainMachine::execute(const std::string& command, const json& arguments,
                            std::chrono::milliseconds limit, Reply reply) {
    auto answer = [self = shared_from_this(), command,
                   reply = std::move(reply)](const Outcome<json>& outcome) {
        if (!outcome)
            return reply(self->named(outcome.failure()));
        const Outcome<json> result = result_of(command, outcome.value());
        reply(result ? result : Outcome<json>(self->named(result.failure())));
    };
    if (busy_->exchange(true))
        return on_main_loop([answer] {
            answer(Failure("libvirt has not answered the command before this one yet"));
        });
    host_->call(
        [domain = domain_, command, message = command_message(command, arguments), gone = gone_,
         // Let go of with this function, whether it was called or not.
         not_busy = std::shared_ptr<void>(nullptr, [busy = busy_](void*) { *busy = false; })](
            virConnectPtr connection) {
            return ask(find(connection, domain, *gone).get(), command, message);
        },
        limit, answer);
}

void DomainMachine::watch(OnEvent on_event, OnEnd on_end, std::chrono::milliseconds limit) {
    unwatch();
    subscription_ = std::make_shared<Subscription>();
    subscription_->on_event = std::move(on_event);
    subscription_->on_end = [self = weak_from_this(),
                             on_end = std::move(on_end)](const Failure& why) {
        if (const auto machine = self.lock())
            on_end(static_cast<DomainMachine&>(*machine).named(why));
    };
    auto subscribe = [domain = domain_, held = subscription_,
                      gone = gone_](virConnectPtr connection) -> json {
        auto pass_on = [](virConnectPtr, virDomainPtr, const char* event, long long seconds,
                          unsigned int micros, const char* details, void* opaque) {
            json message = {{"event", event},
                            {"timestamp", {{"seconds", seconds}, {"microseconds", micros}}}};
            const json data = json::parse(details != nullptr ? details : "", nullptr, false);
            if (data.is_object())
                message["data"] = data;
            on_main_loop([held = *static_cast<std::shared_ptr<Subscription>*>(opaque), message] {
                if (held->on_event)
                    held->on_event(message);
            });
        };
        auto release = [](void* opaque) {
            delete static_cast<std::shared_ptr<Subscription>*>(opaque);
        };
        const DomainRef found = find(connection, domain, *gone);
        auto* opaque = new std::shared_ptr<Subscription>(held);
        held->callback = virConnectDomainQemuMonitorEventRegister(connection, found.get(), nullptr,
                                                                  pass_on, opaque, release, 0);
        if (held->callback < 0) {
            release(opaque);
            throw libvirt_failure("libvirt does not pass on the domain's events");
        }
        return nullptr;
    };
    host_->call(
        subscribe, limit, [held = subscription_, host = host_](const Outcome<json>& outcome) {
            if (!outcome && held->on_end)
                return held->on_end(outcome.failure());
            // A new connection knows nothing of what was asked for on the one before.
            held->check.every(CHECK_INTERVAL, [held = held.get(), host, made = host->generation()] {
                if (host->generation() != made && held->on_end)
                    std::exchange(held->on_end,
                                  nullptr)(Failure("the connection to libvirt was lost"));
            });
        });
}

void DomainMachine::unwatch() {
    if (!subscription_)
        return;
    subscription_->on_event = nullptr;
    subscription_->on_end = nullptr;
    subscription_->check.stop();
    const int callback = subscription_->callback;
    subscription_.reset();
    if (callback >= 0)
        host_->call(
            [callback](virConnectPtr connection) -> json {
                virConnectDomainQemuMonitorEventDeregister(connection, callback);
                return nullptr;
            },
            std::chrono::seconds(5), [](const Outcome<json>&) {});
}

} // namespace tiermemctl
