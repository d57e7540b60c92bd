// SPDX-License-Identifier: GPL-2.0-or-later
// export.cpp - tiermemctl export: metrics for Prometheus
//
// The machines are asked when Prometheus asks: exposer's threads hand the question to the main loop
// and wait. Questions that come meanwhile get the same answer.
#include <fmt/format.h>
#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <future>

#include "commands.h"
#include "export/metrics.h"

namespace tiermemctl {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

struct ExportOptions {
    Reach reach;
    std::vector<std::string> machines;
    std::string listen = "127.0.0.1:9817";
    bool once = false;
};

// Looks for the machines and asks them all, one question at a time; on the main loop.
class Gatherer {
public:
    explicit Gatherer(const ExportOptions& options)
        : words_(options.machines), limit_(options.reach.limit()), finder_(options.reach.places()) {
    }

    void gather(std::function<void(const Families&)> done) {
        waiting_.push_back(std::move(done));
        if (waiting_.size() == 1)
            finder_.scan(limit_, [this] { ask(); });
    }

private:
    void ask();

    std::vector<std::string> words_;
    std::chrono::milliseconds limit_;
    Finder finder_;
    std::vector<MachinePtr> machines_;
    std::vector<std::function<void(const Families&)>> waiting_;
};

void Gatherer::ask() {
    try {
        machines_ = finder_.chosen(words_);
    } catch (const BadInput&) {
        machines_.clear(); // they may come later
    }
    query_each(machines_, limit_, [this](const std::vector<Outcome<Device>>& devices) {
        const Families families = metrics_of(machines_, devices);
        for (const auto& done : std::exchange(waiting_, {}))
            done(families);
    });
}

class Collector : public prometheus::Collectable {
public:
    explicit Collector(Gatherer& gatherer) : gatherer_(gatherer) {}

    // In a thread of the exposer's.
    [[nodiscard]] Families Collect() const override {
        auto promise = std::make_shared<std::promise<Families>>();
        on_main_loop([this, promise] {
            gatherer_.gather([promise](const Families& families) { promise->set_value(families); });
        });
        return promise->get_future().get();
    }

private:
    Gatherer& gatherer_;
};

std::unique_ptr<prometheus::Exposer> listen_on(const std::string& address) {
    try {
        return std::make_unique<prometheus::Exposer>(address);
    } catch (const std::runtime_error&) { // CivetWeb says no more than that
        throw Failure(fmt::format(
            "cannot listen on '{}': it must be PORT or ADDRESS:PORT, not in use by another program",
            address));
    }
}

ExitStatus serve(const ExportOptions& options, Gatherer& gatherer) {
    const auto exposer = listen_on(options.listen);
    const auto collector = std::make_shared<Collector>(gatherer);
    exposer->RegisterCollectable(collector);
    fmt::print(stderr, "tiermemctl: metrics at http://{}/metrics\n", options.listen);
    bool over = false;
    on_end_signals(over);
    run_until([&over] { return over; });
    // The exposer's destructor would wait for threads that wait for the main loop.
    std::_Exit(EXIT_DONE);
}

ExitStatus export_metrics(const ExportOptions& options) {
    Gatherer gatherer(options);
    if (!options.once)
        return serve(options, gatherer);
    bool done = false, all_up = true;
    gatherer.gather([&](const Families& families) {
        fmt::print("{}", prometheus::TextSerializer().Serialize(families));
        for (const auto& family : families)
            for (const auto& metric : family.metric)
                all_up = all_up && (family.name != "tiermem_up" || metric.gauge.value == 1);
        done = true;
    });
    run_until([&done] { return done; });
    return all_up ? EXIT_DONE : EXIT_PARTLY;
}

} // namespace

void add_export(CLI::App& app, Run& run) {
    auto options = std::make_shared<ExportOptions>();
    CLI::App* command = app.add_subcommand("export", "serve metrics for Prometheus");
    command->add_option("MACHINE", options->machines,
                        "names or patterns of machines (default: all)");
    command
        ->add_option("--listen", options->listen,
                     "where to serve /metrics: PORT or ADDRESS:PORT (default: 127.0.0.1:9817)")
        ->type_name("ADDRESS");
    command->add_flag("--once", options->once,
                      "print the metrics and end, as for node_exporter's textfile collector");
    options->reach.add_to(*command);
    command->footer("The machines are asked when Prometheus asks; one that does not answer has "
                    "tiermem_up 0. Metrics that begin "
                    "with tiermem_guest_ are the guest's own claims.\n\n"
                    "Examples:\n"
                    "  tiermemctl export --connect qemu:///system --listen 0.0.0.0:9817\n"
                    "  tiermemctl export --once --socket '/run/vm/*.qmp'\n");
    command->callback([options, &run] { run = [options] { return export_metrics(*options); }; });
}

} // namespace tiermemctl
