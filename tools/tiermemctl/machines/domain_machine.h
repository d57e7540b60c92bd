// SPDX-License-Identifier: GPL-2.0-or-later
// domain_machine.h - a running domain of libvirt, asked by its monitor through libvirt
//
// Works with every URI whose driver is QEMU's, also on other hosts. libvirt marks such a domain as
// tainted ("custom-monitor"), as somebody else than libvirt gave commands to it.
#pragma once

#include <atomic>

#include "libvirt_host.h"
#include "machine.h"

namespace tiermemctl {

class DomainMachine : public Machine, public std::enable_shared_from_this<DomainMachine> {
public:
    DomainMachine(LibvirtHostPtr host, const LibvirtHost::Domain& domain);
    ~DomainMachine() override;

    [[nodiscard]] const std::string& uuid() const { return domain_.uuid; }
    [[nodiscard]] int id() const { return domain_.id; }
    void execute(const std::string& command, const json& arguments, std::chrono::milliseconds limit,
                 Reply reply) override;
    void watch(OnEvent on_event, OnEnd on_end, std::chrono::milliseconds limit) override;
    void unwatch() override;
    [[nodiscard]] Life life() const override { return *gone_ ? Life::Gone : Life::Unknown; }
    [[nodiscard]] std::string incarnation() const override;

private:
    struct Subscription;

    LibvirtHostPtr host_;
    LibvirtHost::Domain domain_;
    // Shared with threads that may outlive this.
    std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
    std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
    std::shared_ptr<Subscription> subscription_;
};

} // namespace tiermemctl
