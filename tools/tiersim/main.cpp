// SPDX-License-Identifier: GPL-2.0-or-later
// main.cpp - tiersim's command line
#include <fmt/format.h>


#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine.hpp"
#include "picture.hpp"

namespace tiersim {
namespace {

using nlohmann::json;

struct Arguments {
    std::vector<std::string> workloads;
    std::vector<std::string> tierers;
    std::string json_file;
    std::string picture;
    bool by_epoch = false;
    bool list = false;
    RunOptions run;
};

json as_json(const RunOptions& options, const RunResult& r) {
    json epochs = json::array();
    for (const EpochRow& e : r.epochs)
        epochs.push_back({{"fast", e.fast},
                          {"lasting", e.lasting},
                          {"oracle", e.oracle},
                          {"clairvoyant", e.clairvoyant},
                          {"accesses", e.accesses},
                          {"period", e.period},
                          {"samples", e.samples},
                          {"promotions", e.promotions},
                          {"copies", e.copies},
                          {"above_cut", e.above}});
    return {{"workload", options.recording.empty() ? options.workload : options.recording},
            {"tierer", options.tierer},
            {"seed", options.seed},
            {"end_fast", r.end_fast},
            {"end_oracle", r.end_oracle},
            {"end_clairvoyant", r.end_clairvoyant},
            {"settled_fast", r.settled_fast},
            {"settled_oracle", r.settled_oracle},
            {"accesses", r.accesses},
            {"served_fast", r.served_fast},
            {"promotions", r.promotions},
            {"copies", r.copies},
            {"late_promotions", r.late_promotions},
            {"needed_pages", r.needed},
            {"reaction_epochs", r.reaction},
            {"epochs", std::move(epochs)}};
}

void print_head() {
    fmt::print("{:<11}{:<15}{:>7}{:>8}{:>9}{:>9}{:>8}{:>11}{:>9}{:>9}{:>9}\n", "workload", "tierer", "fast", "oracle",
               "of it", "settled", "react", "promotions", "needed", "late/s", "accesses");
}

void print_run(const RunOptions& options, const RunResult& r) {
    const std::string settled =
        r.settled_oracle > 0 ? fmt::format("{:.4f}", r.settled_fast / r.settled_oracle) : std::string("-");
    const std::string reaction = r.reaction < 0 ? std::string("-") : fmt::format("{}", r.reaction);
    fmt::print("{:<11}{:<15}{:>7.4f}{:>8.4f}{:>9.4f}{:>9}{:>8}{:>11}{:>9}{:>9.1f}{:>8.1f}M\n",
               options.recording.empty() ? options.workload : "recording", options.tierer, r.end_fast, r.end_oracle,
               r.end_fast / r.end_oracle, settled, reaction, r.promotions, r.needed,
               static_cast<double>(r.late_promotions) / 10, r.accesses / 1e6);
}

void print_epochs(const RunResult& r) {
    fmt::print("\n{:>6}{:>8}{:>8}{:>12}{:>8}{:>9}{:>11}{:>8}\n", "epoch", "fast", "oracle", "accesses", "period",
               "samples", "promotions", "above");
    for (size_t e = 0; e < r.epochs.size(); e++) {
        const EpochRow& row = r.epochs[e];
        fmt::print("{:>6}{:>8.4f}{:>8.4f}{:>11.2f}M{:>8}{:>9}{:>11}{:>8}\n", e, row.fast, row.oracle,
                   row.accesses / 1e6, row.period, row.samples, row.promotions,
                   row.above < 0 ? std::string("-") : fmt::format("{:.2f}", row.above));
    }
}

void print_list() {
    fmt::print("workloads:\n");
    for (const WorkloadInfo& w : workload_list())
        fmt::print("  {:<11}{}\n", w.name, w.what);
    fmt::print("tierers:\n");
    for (const TiererInfo& t : tierer_list())
        fmt::print("  {:<15}{}\n", t.name, t.what);
}

// "all", or names separated by commas or given repeatedly.
template <typename List> std::vector<std::string> expand(const std::vector<std::string>& names, const List& list) {
    std::vector<std::string> all;
    for (const auto& info : list)
        all.emplace_back(info.name);
    for (const std::string& name : names) {
        if (name == "all")
            return all;
        if (std::find(all.begin(), all.end(), name) == all.end())
            throw std::invalid_argument(fmt::format("'{}' is not among: {}", name, fmt::join(all, ", ")));
    }
    return names;
}

Arguments parse(CLI::App& app, int argc, char** argv) {
    Arguments a;
    a.workloads = {"gups"};
    a.tierers = {"core"};
    app.add_flag("--list", a.list, "what workloads and tierers there are");
    app.add_option("-w,--workload", a.workloads, "workloads, or all")->delimiter(',')->capture_default_str();
    app.add_option("-t,--tierer", a.tierers, "tierers, or all")->delimiter(',')->capture_default_str();
    app.add_option("--replay", a.run.recording,
                   "a recorded stream instead of a workload: lines TIME_NS SPACE ADDRESS WEIGHT");
    app.add_option("--fast-share", a.run.fast_share, "share of a recording's pages that fit into tier 0")
        ->check(CLI::Range(0.001, 1.0))
        ->capture_default_str();
    app.add_option("-e,--epochs", a.run.epochs, "length in epochs of 500 ms")
        ->check(CLI::Range(40, 100000))
        ->capture_default_str();
    app.add_option("-s,--seed", a.run.seed, "of everything that is random")->capture_default_str();
    app.add_option("--cpu-permille", a.run.tuning.cpu_permille, "CPU budget for samples, 1/1000 of a CPU")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
    app.add_option("--bandwidth", a.run.tuning.bandwidth, "of page copies, bytes a second")
        ->transform(CLI::AsSizeValue(false))
        ->capture_default_str();
    app.add_option("--space-memory", a.run.tuning.space_bytes, "of the core for each address space, bytes")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(16384, 67108864))
        ->capture_default_str();
    app.add_flag("--by-epoch", a.by_epoch, "a line for each epoch");
    app.add_option("--json", a.json_file, "also write everything as JSON; - is standard output, without the table");
    app.add_option("--picture", a.picture, "heat map of the last run, *.svg or *.png");
    app.parse(argc, argv);
    return a;
}

int simulate(Arguments& a) {
    const auto workloads = a.run.recording.empty() ? expand(a.workloads, workload_list()) : std::vector<std::string>{""};
    const auto tierers = expand(a.tierers, tierer_list());
    const bool table = a.json_file != "-";
    json all = json::array();
    HeatMap map;
    a.run.columns = a.picture.empty() ? 0 : 128;
    if (table)
        print_head();
    for (const std::string& workload : workloads)
        for (const std::string& tierer : tierers) {
            a.run.workload = workload;
            a.run.tierer = tierer;
            RunResult result = run(a.run);
            if (table)
                print_run(a.run, result);
            if (table && a.by_epoch)
                print_epochs(result);
            std::fflush(stdout);
            all.push_back(as_json(a.run, result));
            map = std::move(result.map);
        }
    if (!a.picture.empty())
        write_picture(a.picture, map, fmt::format("{}, {}", a.run.workload, a.run.tierer));
    if (a.json_file == "-")
        std::cout << all.dump(1) << "\n";
    else if (!a.json_file.empty() && !(std::ofstream(a.json_file) << all.dump(1) << "\n"))
        throw std::runtime_error(fmt::format("cannot write '{}'", a.json_file));
    return 0;
}

} // namespace
} // namespace tiersim

int main(int argc, char** argv) {
    CLI::App app{"tiersim - replays workloads against the policy core, and against other designs,\n"
                 "and shows the share of accesses that fast memory serves beside an oracle's"};
    try {
        tiersim::Arguments arguments = tiersim::parse(app, argc, argv);
        if (arguments.list) {
            tiersim::print_list();
            return 0;
        }
        return tiersim::simulate(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        fmt::print(stderr, "tiersim: {}\n", error.what());
        return 2;
    }
}
