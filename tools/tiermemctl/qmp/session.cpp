// SPDX-License-Identifier: GPL-2.0-or-later
// session.cpp - one connection to a QMP monitor on a unix socket
#include "session.h"

#include <fmt/format.h>
#include <gio/gunixsocketaddress.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <utility>

namespace tiermemctl {
namespace {

constexpr size_t MAX_PATH = sizeof(sockaddr_un{}.sun_path) - 1;

// What can be told of a path before connecting; empty if nothing speaks against it.
std::string trouble_with(const std::string& path) {
    struct stat found {};
    if (path.size() > MAX_PATH)
        return fmt::format("the path {} is too long for a socket ({} bytes at most)", path,
                           MAX_PATH);
    if (stat(path.c_str(), &found) != 0)
        return fmt::format("{}: {}; is the machine running?", path, g_strerror(errno));
    if (!S_ISSOCK(found.st_mode))
        return fmt::format("{} is not a socket", path);
    return "";
}

} // namespace

std::shared_ptr<Session> Session::open(const std::string& path, std::chrono::milliseconds limit) {
    std::shared_ptr<Session> session(new Session(path));
    session->start(limit);
    return session;
}

Session::~Session() {
    close();
}

void Session::start(std::chrono::milliseconds limit) {
    const std::string trouble = trouble_with(path_);
    if (!trouble.empty()) {
        // Later, as callers count on not being called back from within.
        handshake_.once(std::chrono::milliseconds(0), [this, trouble] { end(Failure(trouble)); });
        return;
    }
    handshake_.once(limit, [this, limit] {
        end(Failure(fmt::format(
            "{}: no greeting within {} ms; the process may be stopped or busy, or another program "
            "holds this monitor (QEMU serves one at a time: give it another -qmp socket)",
            path_, limit.count())));
    });
    GRef<GSocketClient> client(g_socket_client_new());
    GRef<GSocketAddress> address(g_unix_socket_address_new(path_.c_str()));
    auto done = [](GObject* source, GAsyncResult* result, gpointer held) {
        GError* error = nullptr;
        GRef<GSocketConnection> made(
            g_socket_client_connect_finish(G_SOCKET_CLIENT(source), result, &error));
        const auto session = from_callback(held);
        if (session->ended()) {
            g_clear_error(&error);
            return;
        }
        if (error != nullptr)
            return session->end(Failure(
                fmt::format("cannot connect to {}: {}; is the machine running, and may you use "
                            "its socket?",
                            session->path_, take_message(error))));
        session->connection_ = std::move(made);
        session->connected();
    };
    g_socket_client_connect_async(client.get(), G_SOCKET_CONNECTABLE(address.get()), cancel_.get(),
                                  done, self_for_callback());
}

void Session::connected() {
    GError* error = nullptr;
    GRef<GCredentials> credentials(
        g_socket_get_credentials(g_socket_connection_get_socket(connection_.get()), &error));
    if (credentials)
        peer_ = g_credentials_get_unix_pid(credentials.get(), nullptr);
    g_clear_error(&error);
    state_ = State::Greeting;
    read_more();
}

// A callback's reference to this session, so that it outlives the operation.
gpointer Session::self_for_callback() {
    return new std::shared_ptr<Session>(shared_from_this());
}

std::shared_ptr<Session> Session::from_callback(gpointer held) {
    const std::unique_ptr<std::shared_ptr<Session>> reference(
        static_cast<std::shared_ptr<Session>*>(held));
    return std::move(*reference);
}

void Session::read_more() {
    auto done = [](GObject* source, GAsyncResult* result, gpointer held) {
        GError* error = nullptr;
        const gssize got = g_input_stream_read_finish(G_INPUT_STREAM(source), result, &error);
        const auto session = from_callback(held);
        if (session->ended())
            g_clear_error(&error);
        else if (got < 0)
            session->end(Failure(fmt::format("the connection broke: {}", take_message(error))));
        else
            session->have_read(static_cast<size_t>(got));
    };
    GInputStream* stream = g_io_stream_get_input_stream(G_IO_STREAM(connection_.get()));
    g_input_stream_read_async(stream, incoming_.data(), incoming_.size(), G_PRIORITY_DEFAULT,
                              cancel_.get(), done, self_for_callback());
}

void Session::have_read(size_t bytes) {
    if (bytes == 0)
        return end(
            Failure(state_ == State::Ready
                        ? "closed the connection; the machine has ended, or its monitor was closed"
                        : "closed the connection without a QMP greeting"));
    try {
        for (const std::string& object :
             framer_.feed(std::string_view(incoming_).substr(0, bytes))) {
            take(parse_object(object));
            if (ended())
                return;
        }
    } catch (const Failure& failure) {
        return end(failure);
    }
    read_more();
}

void Session::take(const json& message) {
    if (state_ == State::Greeting)
        greeted(message);
    else if (message.contains("event") && on_event)
        on_event(message);
    else if (message.contains("event"))
        return;
    else if (state_ == State::Negotiating)
        negotiated(message);
    else
        answered(message);
}

void Session::greeted(const json& message) {
    if (!message.contains("QMP"))
        throw Failure("sent JSON, but no QMP greeting; is this the socket of a QMP monitor?");
    state_ = State::Negotiating;
    send(command_message("qmp_capabilities", nullptr));
}

void Session::negotiated(const json& message) {
    const auto result = result_of("qmp_capabilities", message);
    if (!result)
        throw Failure(result.failure());
    handshake_.stop();
    state_ = State::Ready;
    for (const auto& command : waiting_)
        send(command->message);
}

void Session::answered(const json& message) {
    const auto id = message.find("id");
    if (waiting_.empty() || id == message.end() || *id != waiting_.front()->id)
        throw Failure("answered a command that was not given; another program may be writing to "
                      "this monitor");
    const auto command = std::move(waiting_.front());
    waiting_.pop_front();
    command->limit.stop();
    command->reply(result_of(command->name, message));
}

void Session::execute(const std::string& command, const json& arguments,
                      std::chrono::milliseconds limit, Reply reply) {
    if (ended())
        return on_main_loop([reply] { reply(Failure("the connection has ended")); });
    auto waiting = std::make_unique<Command>();
    waiting->id = next_id_++;
    waiting->name = command;
    waiting->message = command_message(command, arguments);
    waiting->message["id"] = waiting->id;
    waiting->reply = std::move(reply);
    waiting->limit.once(limit, [this, command, limit] {
        end(Failure(fmt::format(
            "no answer to {} within {} ms; the process may be stopped or busy (a longer --timeout "
            "waits longer)",
            command, limit.count())));
    });
    if (state_ == State::Ready)
        send(waiting->message);
    waiting_.push_back(std::move(waiting));
}

void Session::send(const json& message) {
    outgoing_ += message.dump() + "\n";
    if (being_written_.empty())
        write_more();
}

void Session::write_more() {
    auto done = [](GObject* source, GAsyncResult* result, gpointer held) {
        GError* error = nullptr;
        g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, nullptr, &error);
        const auto session = from_callback(held);
        if (session->ended()) {
            g_clear_error(&error);
            return;
        }
        if (error != nullptr)
            return session->end(
                Failure(fmt::format("the connection broke: {}", take_message(error))));
        session->being_written_.clear();
        if (!session->outgoing_.empty())
            session->write_more();
    };
    being_written_ = std::exchange(outgoing_, {});
    GOutputStream* stream = g_io_stream_get_output_stream(G_IO_STREAM(connection_.get()));
    g_output_stream_write_all_async(stream, being_written_.data(), being_written_.size(),
                                    G_PRIORITY_DEFAULT, cancel_.get(), done, self_for_callback());
}

void Session::end(const Failure& why) {
    const auto alive = shared_from_this();
    auto failed = std::exchange(waiting_, {});
    close();
    for (const auto& command : failed) {
        command->limit.stop();
        command->reply(why);
    }
    if (on_end)
        on_end(why);
}

void Session::close() {
    state_ = State::Ended;
    handshake_.stop();
    waiting_.clear();
    g_cancellable_cancel(cancel_.get());
    connection_.reset();
}

} // namespace tiermemctl
