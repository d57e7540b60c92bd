// SPDX-License-Identifier: GPL-2.0-or-later
// session.h - one connection to a QMP monitor on a unix socket
//
// Commands wait until the monitor has greeted and left negotiation; each has a time limit that
// begins when it is given. Whatever goes wrong (no connection, a peer that is stopped, closes, or
// does not speak QMP, a command that takes too long) ends the session: every command that waits
// fails with the reason, and on_end is called. Nothing is called back from within execute() or
// close().
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/glib.h"
#include "framer.h"
#include "reply.h"

namespace tiermemctl {

class Session : public std::enable_shared_from_this<Session> {
public:
    using OnEvent = std::function<void(const json&)>;
    using OnEnd = std::function<void(const Failure&)>;

    // Begins to connect. `limit`: for the connection and the greeting.
    static std::shared_ptr<Session> open(const std::string& path, std::chrono::milliseconds limit);
    ~Session();

    void execute(const std::string& command, const json& arguments, std::chrono::milliseconds limit,
                 Reply reply);
    // Ends the session without calling anybody back.
    void close();

    [[nodiscard]] bool ended() const { return state_ == State::Ended; }
    [[nodiscard]] bool idle() const { return waiting_.empty(); }
    // The process that made the listening socket; nothing before the connection stands.
    [[nodiscard]] std::optional<int> peer() const { return peer_; }

    OnEvent on_event;
    OnEnd on_end;

private:
    enum class State {
        Connecting,  // no connection yet
        Greeting,    // connected; the monitor speaks first
        Negotiating, // qmp_capabilities is sent
        Ready,       // commands are sent as they come
        Ended,
    };
    struct Command { // NOLINT(bugprone-exception-escape): as Device
        uint64_t id;
        std::string name;
        json message;
        Reply reply;
        Timer limit;
    };

    explicit Session(std::string path) : path_(std::move(path)) {}
    void start(std::chrono::milliseconds limit);
    void connected();
    void read_more();
    void have_read(size_t bytes);
    void take(const json& message);
    void greeted(const json& message);
    void negotiated(const json& message);
    void answered(const json& message);
    void send(const json& message);
    void write_more();
    void end(const Failure& why);
    gpointer self_for_callback();
    static std::shared_ptr<Session> from_callback(gpointer held);

    std::string path_;
    State state_ = State::Connecting;
    GRef<GCancellable> cancel_{g_cancellable_new()};
    GRef<GSocketConnection> connection_;
    Framer framer_;
    std::string incoming_ = std::string(65536, '\0'); // a read's buffer
    std::string outgoing_, being_written_;
    std::deque<std::unique_ptr<Command>>
        waiting_; // the first ones may be sent already, in this order
    uint64_t next_id_ = 1;
    std::optional<int> peer_;
    Timer handshake_;
};

} // namespace tiermemctl
