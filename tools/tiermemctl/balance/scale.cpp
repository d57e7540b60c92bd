// SPDX-License-Identifier: GPL-2.0-or-later
// scale.cpp - balance-scale: what a decision costs for many machines. Decides
// for MACHINES machines with full curves INTERVALS times, each time with curves
// that differ by chance, and prints one line of JSON: CPU time of a decision in
// nanoseconds (least, median and greatest), and the greatest resident size of
// the process, with all machines and the last decision in it.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "balance.h"

namespace {
namespace tb = tiermem::balance;
using Random = std::mt19937_64;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kIntervalMs = 1000;

// As many points as there can be, a third of an octave of heat apart.
tb::Curve full_curve(Random& random) {
    tb::Curve curve;
    tb::Point end;
    std::uint64_t per_mib = std::uint64_t{1} << (20 + random() % 10);
    for (tb::Point& point : curve.points) {
        const std::uint64_t mib = 1 + random() % 64;
        end = {end.bytes + mib * kMiB, end.rate + mib * per_mib};
        point = end;
        per_mib -= per_mib / 5;
    }
    curve.count = tb::kCurvePoints;
    return curve;
}

// Every rate off by the same, at most 3 %: the shape stays.
tb::Curve noisy(Random& random, tb::Curve curve) {
    const std::uint64_t permille = 970 + random() % 61;
    for (tb::Point& point : curve.points)
        point.rate = point.rate / 1000 * permille;
    return curve;
}

tb::Request fleet(std::size_t machines, Random& random) {
    tb::Request request;
    for (std::size_t i = 0; i < machines; i++) {
        tb::Machine machine;
        machine.size = machine.cap = 2048 * kMiB;
        machine.weight = 1 + static_cast<std::uint32_t>(random() % tb::kMaxWeight);
        machine.service_class = static_cast<tb::ServiceClass>(random() % 3);
        machine.minimum = random() % 64 * kMiB;
        machine.requested = machine.actual = machine.resident = 512 * kMiB;
        machine.curve = full_curve(random);
        request.machines.push_back(machine);
    }
    request.total = machines * 512 * kMiB;
    return request;
}

std::uint64_t cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

// The guests obey within the interval.
void obey(tb::Request& request, const tb::Result& result, Random& random) {
    request.now_ms += kIntervalMs;
    for (std::size_t i = 0; i < request.machines.size(); i++) {
        tb::Machine& machine = request.machines[i];
        machine.requested = machine.actual = machine.resident = result.decisions[i].quota;
        machine.memory = result.decisions[i].memory;
        machine.curve = noisy(random, machine.curve);
        machine.curve_at_ms = request.now_ms;
    }
}

// Of this program alone: getrusage() counts what was resident before exec, too.
long most_resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        long kib = 0;
        if (word == "VmHWM:" && status >> kib)
            return kib;
    }
    return -1;
}

bool number(const char* text, std::uint64_t& value) {
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    return error == std::errc() && stop == end && value > 0;
}
} // namespace

int main(int argc, char** argv) {
    std::uint64_t machines = 0;
    std::uint64_t intervals = 0;
    if (argc != 3 || !number(argv[1], machines) || !number(argv[2], intervals) ||
        machines > tb::kMaxMachines) {
        std::fprintf(
            stderr,
            "usage: balance-scale MACHINES INTERVALS (both at least 1, machines at most %zu)\n",
            tb::kMaxMachines);
        return 2;
    }
    Random random(1);
    tb::Request request = fleet(machines, random);
    std::vector<std::uint64_t> times;
    for (std::uint64_t i = 0; i < intervals; i++) {
        const std::uint64_t begin = cpu_ns();
        const tb::Result result = tb::decide(request);
        times.push_back(cpu_ns() - begin);
        if (result.error != tb::Error::none) {
            std::fprintf(stderr, "balance-scale: %s\n", tb::text(result.error).data());
            return 1;
        }
        obey(request, result, random);
    }
    std::ranges::sort(times);
    std::printf("{\"machines\": %lu, \"least_ns\": %lu, \"median_ns\": %lu, \"greatest_ns\": %lu, "
                "\"resident_kib\": %ld}\n",
                machines, times.front(), times[times.size() / 2], times.back(),
                most_resident_kib());
    return 0;
}
