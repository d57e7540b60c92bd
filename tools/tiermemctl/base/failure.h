// SPDX-License-Identifier: GPL-2.0-or-later
// failure.h - what is shown to a person when something cannot be done
//
// A Failure's text names the machine, file or option, what is wrong with it, and what to do. The
// numbers are the program's exit status, documented in its manual.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace tiermemctl {

enum ExitStatus : int {
    EXIT_DONE = 0,   // all that was asked for
    EXIT_PARTLY = 1, // a machine could not be reached, or refused; nothing was left half-applied
    EXIT_USAGE = 2,  // the command line or the policy file is wrong; nothing was tried
};

class Failure : public std::runtime_error {
public:
    explicit Failure(const std::string& text, ExitStatus status = EXIT_PARTLY)
        : std::runtime_error(text), status_(status) {}

    [[nodiscard]] ExitStatus status() const { return status_; }

private:
    ExitStatus status_;
};

// Bad input by the user: status EXIT_USAGE.
class BadInput : public Failure {
public:
    explicit BadInput(const std::string& text) : Failure(text, EXIT_USAGE) {}
};

// A value, or why there is none. For what fails in callbacks, where nobody could catch.
template<typename T> class [[nodiscard]] Outcome {
public:
    Outcome(T value) : held_(std::move(value)) {}
    Outcome(Failure failure) : held_(std::move(failure)) {}

    explicit operator bool() const { return std::holds_alternative<T>(held_); }
    [[nodiscard]] const Failure& failure() const { return std::get<Failure>(held_); }
    // Throws the failure if there is no value.
    [[nodiscard]] const T& value() const {
        if (!*this)
            throw Failure(failure());
        return std::get<T>(held_);
    }

private:
    std::variant<T, Failure> held_;
};

} // namespace tiermemctl
