// SPDX-License-Identifier: GPL-2.0-or-later
// machine.h - a machine that can be asked by QMP, however it is reached
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "qmp/reply.h"

namespace tiermemctl {

class Machine {
public:
    // Whether a machine that does not answer may still hold memory.
    enum class Life {
        Unknown, // it may: stopped, busy, or reached by a way that is broken
        Gone,    // its process has ended
    };
    using OnEvent = std::function<void(const json&)>;
    using OnEnd = std::function<void(const Failure&)>;

    Machine(std::string name, std::string where)
        : name_(std::move(name)), where_(std::move(where)) {}
    virtual ~Machine() = default;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Unique among the machines of one Finder; what users type.
    [[nodiscard]] const std::string& name() const { return name_; }
    // For people: "socket /run/vm/web1.qmp", "domain web1 of qemu:///system".
    [[nodiscard]] const std::string& where() const { return where_; }
    void rename(std::string name) { name_ = std::move(name); }

    // Gives a command; the reply comes from the main loop, never from within this call, and must
    // not throw. Failures name the machine. A reply that does not come within the limit is a
    // failure, and whether the command takes effect is then not known.
    virtual void execute(const std::string& command, const json& arguments,
                         std::chrono::milliseconds limit, Reply reply) = 0;

    // Has events passed on until unwatch(); on_end once, when no more can come.
    virtual void watch(OnEvent on_event, OnEnd on_end, std::chrono::milliseconds limit) = 0;
    virtual void unwatch() = 0;

    // What is known after an execute() that failed.
    [[nodiscard]] virtual Life life() const = 0;

    // Differs between two machines that were reached by the same way, one after the other; empty
    // before the first answer.
    [[nodiscard]] virtual std::string incarnation() const = 0;

    // A failure's text with the machine in front.
    [[nodiscard]] Failure named(const Failure& failure) const {
        return Failure(name_ + " (" + where_ + "): " + failure.what(), failure.status());
    }

private:
    std::string name_;
    std::string where_;
};

using MachinePtr = std::shared_ptr<Machine>;

} // namespace tiermemctl
