// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest.hpp"

#include <array>
#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <x86intrin.h>

#include "area.hpp"

namespace tierload {
namespace {

// For page tables, per-CPU lists and the program itself, which also come from the fast node.
constexpr std::size_t reserve = std::size_t{8} << 20;

constexpr std::array counter_names = {
    "pgmigrate_success",   "pgmigrate_fail",        "pgpromote_success",   "pgpromote_candidate",
    "pgdemote_kswapd",     "pgdemote_direct",       "pgdemote_khugepaged", "numa_hint_faults",
    "numa_pages_migrated", "thp_migration_success", "thp_fault_alloc",     "thp_split_page"};

// The number after `key` in the first line of a file that has it as a word.
std::size_t number_after(const std::string& file, const std::string& key) {
    std::ifstream input(file);
    for (std::string line; std::getline(input, line);) {
        std::istringstream words(line);
        for (std::string word; words >> word;)
            if (std::size_t value; word == key && words >> value)
                return value;
    }
    throw std::runtime_error(fmt::format("{} has no '{}'", file, key));
}

// Bytes of the high watermarks of all zones of a node.
std::size_t high_watermarks(int node) {
    std::ifstream input("/proc/zoneinfo");
    const std::string wanted = fmt::format("Node {},", node);
    bool inside = false;
    std::size_t pages = 0;
    for (std::string line; std::getline(input, line);) {
        if (line.starts_with("Node "))
            inside = line.starts_with(wanted);
        std::istringstream words(line);
        std::string word;
        std::size_t value = 0;
        if (inside && words >> word && word == "high" && words >> value)
            pages += value;
    }
    return pages * page_size;
}

} // namespace

std::size_t available_memory() {
    return number_after("/proc/meminfo", "MemAvailable:") * 1024;
}

std::size_t node_free(int node) {
    const std::string file = fmt::format("/sys/devices/system/node/node{}/meminfo", node);
    if (!std::ifstream(file))
        throw std::runtime_error(fmt::format("there is no memory node {}: {}", node, file));
    const std::size_t free = number_after(file, "MemFree:") * 1024;
    const std::size_t kept = high_watermarks(node) + reserve;
    return free > kept ? free - kept : 0;
}

std::uint64_t now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
}

std::uint64_t time_stamp() {
    return __rdtsc();
}

std::map<std::string, std::uint64_t> move_counters() {
    std::map<std::string, std::uint64_t> found;
    std::ifstream input("/proc/vmstat");
    std::string name;
    for (std::uint64_t value; input >> name >> value;)
        for (const char* wanted : counter_names)
            if (name == wanted)
                found[name] = value;
    return found;
}

std::optional<std::uint64_t> number_in(const std::string& file) {
    std::ifstream input(file);
    std::uint64_t value = 0;
    return input >> value ? std::optional(value) : std::nullopt;
}

} // namespace tierload
