// SPDX-License-Identifier: GPL-2.0-or-later
// libvirt_host.h - a connection to libvirt that comes back by itself
//
// libvirt's calls block, for as long as a domain's monitor is stuck or a host does not answer. So
// each runs in a thread of its own, which is left alone when its time is over.
#pragma once

#include <libvirt/libvirt.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "qmp/reply.h"

namespace tiermemctl {

// A Failure with libvirt's own words for the last error of this thread.
[[nodiscard]] Failure libvirt_failure(const std::string& what);

// The code of the last error of this thread (virErrorNumber).
[[nodiscard]] int libvirt_error_code();

class LibvirtHost : public std::enable_shared_from_this<LibvirtHost> {
public:
    struct Domain {
        std::string name;
        std::string uuid;
        int id;
    };
    using Work = std::function<json(virConnectPtr)>; // in a thread; throws Failure

    explicit LibvirtHost(std::string uri);
    ~LibvirtHost();
    LibvirtHost(const LibvirtHost&) = delete;
    LibvirtHost& operator=(const LibvirtHost&) = delete;

    [[nodiscard]] const std::string& uri() const { return uri_; }

    // Has work done with the connection, which is made first if there is none that lives. The reply
    // comes from the main loop, after the limit at the latest.
    void call(Work work, std::chrono::milliseconds limit, Reply reply);

    // Changes whenever a connection is made or is found to be lost.
    [[nodiscard]] unsigned generation() const { return generation_; }

    // The running domains.
    void domains(std::chrono::milliseconds limit,
                 std::function<void(const Outcome<std::vector<Domain>>&)> done);

private:
    virConnectPtr connection(); // with a reference of the caller's

    std::string uri_;
    std::mutex lock_; // guards connection_
    virConnectPtr connection_ = nullptr;
    std::atomic<unsigned> generation_ = 0;
};

using LibvirtHostPtr = std::shared_ptr<LibvirtHost>;

} // namespace tiermemctl
