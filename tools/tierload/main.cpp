// SPDX-License-Identifier: GPL-2.0-or-later
// main.cpp - tierload's command line
#include <CLI/CLI.hpp>
#include <exception>
#include <fmt/format.h>
#include <map>
#include <stdexcept>

#include "run.hpp"
#include "settings.hpp"
#include "worker.hpp"
#include "workload.hpp"

namespace tierload {
namespace {

constexpr int failed = 1;
constexpr int refused = 2;

const std::map<std::string, bool> on_off = {{"off", false}, {"on", true}};
const std::map<std::string, Place> places = {
    {"none", Place::none}, {"ideal", Place::ideal}, {"fast", Place::fast}, {"slow", Place::slow}};

void add_sizes(CLI::App& app, Settings& s) {
    const auto size = [&app](const char* name, std::size_t& value, const char* what) {
        app.add_option(name, value, what)
            ->transform(CLI::AsSizeValue(false))
            ->capture_default_str();
    };
    size("--size", s.size, "bytes of the workload's memory; units K, M, G are powers of 1024");
    size("--hot", s.hot, "bytes of the hot region (of all processes together)");
    size("--fast-bytes", s.fast_bytes,
         "what the ideal or the oracle may use of fast memory; 0: what is free on the fast node");
}

void add_nature(CLI::App& app, Settings& s) {
    app.add_option("--hot-share", s.hot_share,
                   "of the accesses, to the hot region; 0: 0.5 for scan, 0.9 for the others")
        ->check(CLI::Range(0.0, 0.9999))
        ->capture_default_str();
    app.add_option("--skew", s.skew, "exponent of Zipf's law in zipf, btree and graph")
        ->check(CLI::Range(0.0, 4.0))
        ->capture_default_str();
    app.add_option("--processes", s.processes, "how many, of the workload processes")
        ->check(CLI::Range(1U, workers_max))
        ->capture_default_str();
    app.add_option("--seed", s.seed, "of all that is random")->capture_default_str();
    app.add_option("--thp", s.huge, "transparent huge pages, by madvise: on or off")
        ->transform(CLI::CheckedTransformer(on_off))
        ->default_str("off");
}

void add_times(CLI::App& app, Settings& s) {
    app.add_option("--seconds", s.seconds, "length of the run, seconds of this machine's clock")
        ->check(CLI::Range(0.1, 86400.0))
        ->capture_default_str();
    app.add_option("--shift-at", s.shift_at,
                   "share of the run after which the region of shift moves")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    app.add_option("--interval", s.interval, "seconds between two progress lines")
        ->check(CLI::Range(0.01, 86400.0))
        ->capture_default_str();
}

void add_placement(CLI::App& app, Settings& s) {
    app.add_option("--place", s.place,
                   "where memory goes: none (the kernel decides), ideal (the hottest pages fast), "
                   "fast, slow")
        ->transform(CLI::CheckedTransformer(places))
        ->default_str("none");
    app.add_option("--fast-node", s.fast_node, "memory node")
        ->check(CLI::Range(0, 63))
        ->capture_default_str();
    app.add_option("--slow-node", s.slow_node, "memory node")
        ->check(CLI::Range(0, 63))
        ->capture_default_str();
    app.add_flag("--oracle", s.oracle, "also say which addresses are hottest, phase by phase");
    app.add_option("--oracle-ranges", s.oracle_ranges, "how many of them")->capture_default_str();
    app.add_option("--watch", s.watch, "file with a number that is shown at each mark (JSON only)");
    app.add_flag("--json", s.json, "a JSON object a line");
}

int list() {
    for (const WorkloadInfo& info : workload_list())
        fmt::print("{:<10} {} (an operation is one {})\n", info.name, info.what, info.operation);
    return 0;
}

int start(int argc, char** argv) {
    Settings settings;
    bool only_list = false;
    CLI::App app{"tierload - a program whose heat is known, for machines with two memory tiers"};
    app.add_option("workload", settings.workload, "one of those that --list shows");
    app.add_flag("--list", only_list, "what workloads there are");
    add_sizes(app, settings);
    add_nature(app, settings);
    add_times(app, settings);
    add_placement(app, settings);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : refused;
    }
    if (only_list)
        return list();
    check(settings);
    check_fits(settings);
    run(settings);
    return 0;
}

} // namespace
} // namespace tierload

int main(int argc, char** argv) {
    try {
        return tierload::start(argc, argv);
    } catch (const std::invalid_argument& error) {
        fmt::print(stderr, "tierload: {}\n", error.what());
        return tierload::refused;
    } catch (const std::exception& error) {
        fmt::print(stderr, "tierload: {}\n", error.what());
        return tierload::failed;
    }
}
