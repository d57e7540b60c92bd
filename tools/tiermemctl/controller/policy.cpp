// SPDX-License-Identifier: GPL-2.0-or-later
// policy.cpp - the policy file (TOML) and what it means
#include "policy.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <functional>
#include <map>
#include <toml++/toml.h>

#include "base/quantity.h"

namespace tiermemctl {
namespace {

using tiermem::balance::kMaxWeight;
using tiermem::balance::ServiceClass;
using Reader = std::function<void(const toml::node&)>;
using Readers = std::map<std::string, Reader, std::less<>>;

constexpr std::pair<const char*, ServiceClass> CLASSES[] = {
    {"guaranteed", ServiceClass::guaranteed},
    {"burstable", ServiceClass::burstable},
    {"best-effort", ServiceClass::best_effort}};
constexpr uint32_t PERMILLE = 1000;

std::string text(const toml::node& node) {
    const auto value = node.value_exact<std::string>();
    if (!value)
        throw BadInput("must be a text in quotes");
    return *value;
}

std::vector<std::string> texts(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr)
        throw BadInput("must be a list of texts, [\"...\"]");
    std::vector<std::string> values;
    for (const toml::node& value : *array)
        values.push_back(text(value));
    return values;
}

uint32_t number(const toml::node& node, uint32_t least, uint32_t most) {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < least || *value > most)
        throw BadInput(fmt::format("must be a whole number from {} to {}", least, most));
    return static_cast<uint32_t>(*value);
}

// Reads a table by its keys; the errors of the readers get the file, the line and the key in front.
void read_table(const std::string& file, const toml::table& table, const Readers& readers) {
    for (const auto& [key, node] : table) {
        const auto reader = readers.find(key.str());
        const auto line = key.source().begin.line;
        if (reader == readers.end()) {
            std::string known;
            for (const auto& [name, unused] : readers)
                known += (known.empty() ? "" : ", ") + name;
            throw BadInput(fmt::format("{}:{}: unknown key '{}'; known here are {}", file, line,
                                       key.str(), known));
        }
        try {
            reader->second(node);
        } catch (const BadInput& bad) {
            const std::string what = bad.what();
            // What a table within has said stands for itself.
            throw what.starts_with(file + ":")
                ? bad
                : BadInput(fmt::format("{}:{}: {}: {}", file, line, key.str(), what));
        }
    }
}

Readers rule_readers(Rule& rule) {
    return {
        {"name", [&rule](const toml::node& node) { rule.name = text(node); }},
        {"class",
         [&rule](const toml::node& node) { rule.service_class = parse_class(text(node)); }},
        {"weight", [&rule](const toml::node& node) { rule.weight = number(node, 1, kMaxWeight); }},
        {"fast-min", [&rule](const toml::node& node) { rule.fast_min = parse_size(text(node)); }},
        {"fast-max", [&rule](const toml::node& node) { rule.fast_max = parse_size(text(node)); }},
        {"fast-base",
         [&rule](const toml::node& node) { rule.fast_base = parse_size(text(node)); }}};
}

void check(const Rule& rule) {
    if (rule.name.empty())
        throw BadInput("an entry has no name; name = \"*\" is for all machines");
    if (rule.fast_min && rule.fast_max && *rule.fast_min > *rule.fast_max)
        throw BadInput(fmt::format("fast-min ({}) of '{}' is above fast-max ({})",
                                   format_size(*rule.fast_min), rule.name,
                                   format_size(*rule.fast_max)));
}

void read_rules(const std::string& file, const toml::node& node, std::vector<Rule>& rules) {
    const toml::array* array = node.as_array();
    if (array == nullptr)
        throw BadInput("must be a list of tables, [[machine]]");
    for (const toml::node& entry : *array) {
        if (!entry.is_table())
            throw BadInput("must be a list of tables, [[machine]]");
        Rule rule;
        read_table(file, *entry.as_table(), rule_readers(rule));
        check(rule);
        rules.push_back(rule);
    }
}

Readers tuning_readers(Policy& policy) {
    auto& options = policy.options;
    auto milliseconds = [](uint64_t& into) {
        return [&into](const toml::node& node) {
            into = static_cast<uint64_t>(parse_duration(text(node)).count());
        };
    };
    auto permille = [](uint32_t& into) {
        return [&into](const toml::node& node) { into = number(node, 0, PERMILLE); };
    };
    return {{"patience", milliseconds(options.patience_ms)},
            {"stale", milliseconds(options.stale_ms)},
            {"keep-share", permille(options.keep_share)},
            {"hysteresis", permille(options.hysteresis)},
            {"least-gain", permille(options.least_gain)},
            {"grace",
             [&policy](const toml::node& node) { policy.grace = parse_duration(text(node)); }}};
}

Readers policy_readers(const std::string& file, Policy& policy) {
    return {
        {"fast-total",
         [&policy](const toml::node& node) { policy.fast_total = parse_size(text(node)); }},
        {"policy",
         [&policy](const toml::node& node) { policy.options.policy = parse_policy(text(node)); }},
        {"interval",
         [&policy](const toml::node& node) { policy.interval = parse_duration(text(node)); }},
        {"sockets", [&policy](const toml::node& node) { policy.places.sockets = texts(node); }},
        {"connect", [&policy](const toml::node& node) { policy.places.hosts = texts(node); }},
        {"machine",
         [&policy, file](const toml::node& node) { read_rules(file, node, policy.rules); }},
        {"tuning", [&policy, file](const toml::node& node) {
             if (!node.is_table())
                 throw BadInput("must be a table, [tuning]");
             read_table(file, *node.as_table(), tuning_readers(policy));
         }}};
}

} // namespace

const Rule* Policy::rule_for(const std::string& machine) const {
    for (const Rule& rule : rules)
        if (rule.name == machine || fnmatch(rule.name.c_str(), machine.c_str(), 0) == 0)
            return &rule;
    return nullptr;
}

Policy read_policy(const std::string& file) {
    Policy policy;
    try {
        read_table(file, toml::parse_file(file), policy_readers(file, policy));
    } catch (const toml::parse_error& error) {
        throw BadInput(
            fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
    }
    return policy;
}

tiermem::balance::Policy parse_policy(std::string_view text) {
    using tiermem::balance::Policy;
    if (text == "gain")
        return Policy::gain;
    if (text == "proportional")
        return Policy::proportional;
    if (text == "static")
        return Policy::fixed;
    throw BadInput(fmt::format("'{}' is no policy; there are gain, proportional and static", text));
}

ServiceClass parse_class(std::string_view text) {
    for (const auto& [name, value] : CLASSES)
        if (text == name)
            return value;
    throw BadInput(
        fmt::format("'{}' is no class; there are guaranteed, burstable and best-effort", text));
}

std::string class_name(ServiceClass service_class) {
    for (const auto& [name, value] : CLASSES)
        if (service_class == value)
            return name;
    return "unknown";
}

} // namespace tiermemctl
