// SPDX-License-Identifier: GPL-2.0-or-later
// controller.h - shares a host's fast memory out between its machines, step by step
//
// A step looks at all machines, has balance::decide() say what is to change, and changes it. The
// rule that nothing is ever over-committed rests on three things: decide() counts each machine with
// its reach (what it may use at worst), a quota that was sent counts from then on, whether answered
// or not, and a machine that cannot be asked keeps its last reach until its process is known to
// have ended. What was known is kept in a state file, so that a restart of the controller changes
// nothing of this; a machine that has not answered since before the file, and has no fast-max in
// the policy, stops all others from growing until it answers.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "member.h"

namespace tiermemctl {

// What a step did with one machine.
struct Act {
    std::string machine;
    std::string note;  // why it was treated as it was; empty: nothing special
    std::string error; // it could not be asked, or refused
    uint64_t requested = 0, quota = 0, target = 0, share = 0, reach = 0; // bytes
    uint64_t rate_now = 0, rate_target = 0; // accesses per second, by its curve
    bool changed = false;                   // the quota was set
};

struct Step {
    std::string refusal; // nothing was decided, because of this
    std::vector<std::string>
        problems; // hosts that could not be looked at, machines that are not known
    std::vector<std::string> arrived, gone;
    std::vector<Act> acts;
    uint64_t total = 0, reach = 0, excess = 0, moving = 0; // bytes
    bool waits = false; // some grow as soon as others have shrunk
};

class Controller {
public:
    struct Settings {
        uint64_t total = 0; // bytes of fast memory for all machines
        std::chrono::milliseconds limit{2000};
        bool dry_run = false;
        std::string state_file;            // empty: none
        std::vector<std::string> machines; // names or patterns; empty: all that are found
    };

    Controller(Policy policy, Settings settings);

    // Does one step; `done` comes from the main loop. One at a time.
    void step(std::function<void(const Step&)> done);

    // For steps to come.
    void set_policy(Policy policy, uint64_t total);

    // As a look at the state for a person.
    [[nodiscard]] static json as_json(const Step& step);

private:
    void update_members();
    void look_at_all();
    void looked(Member& member, const Outcome<View>& seen);
    void drop_gone();
    void decide();
    [[nodiscard]] uint64_t count_unknown();
    void veto_growth(std::vector<tiermem::balance::Decision>& decisions);
    void act(const tiermem::balance::Decision& decision, Member& member);
    void save();
    void change(size_t act, Member& member, std::vector<std::pair<std::string, json>> commands);
    void one_done();
    void finish();

    Policy policy_;
    Settings settings_;
    Finder finder_;
    std::map<std::string, Member> members_;  // by where they are
    std::map<std::string, json> remembered_; // of the state file, by where
    std::vector<Member*> known_;             // those that take part in this step
    Step step_;
    std::function<void(const Step&)> done_;
    size_t pending_ = 0; // looks or changes of this step
    std::function<void()> then_;
    uint64_t unknown_ = 0; // bytes that are kept for machines which have never answered
    bool grow_ = true;     // nobody unknown is in the way
};

} // namespace tiermemctl
