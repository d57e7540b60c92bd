// SPDX-License-Identifier: GPL-2.0-or-later
// What tiermeter accepts behind -plugin, and how it refuses the rest.
#include "options.h"

#include <criterion/criterion.h>
#include <stdexcept>
#include <string>
#include <vector>

using tiermeter::Options;

namespace {

Options parse(std::vector<const char*> words) {
    return tiermeter::parse_options(static_cast<int>(words.size()), words.data());
}

void refused(std::vector<const char*> words, const std::string& part) {
    try {
        parse(words);
    } catch (const std::invalid_argument& problem) {
        const std::string text = problem.what();
        cr_assert(text.find(part) != text.npos, "'%s' has no '%s'", text.c_str(), part.c_str());
        return;
    }
    cr_assert_fail("not refused: %s", part.c_str());
}

} // namespace

Test(options, all_of_them) {
    const auto options =
        parse({"log=/tmp/a=b", "interval-ms=5", "llc-size=2M", "llc-ways=8", "llc-line=128",
               "clock=on", "latency=70:150:400", "bandwidth=1G:0", "hit-latency=0", "tlb-entries=0",
               "counts=/tmp/c", "period-ms=60000", "range=0x10-ffffffffffffffff"});
    cr_assert(options.log == "/tmp/a=b");
    cr_assert(options.interval.count() == 5);
    cr_assert(options.llc.size == 2 << 20 && options.llc.ways == 8 && options.llc.line == 128);
    cr_assert(options.clock);
    cr_assert(options.latency == std::vector<std::uint32_t>({70, 150, 400}));
    cr_assert(options.bandwidth == std::vector<std::uint64_t>({1 << 30, 0}));
    cr_assert(options.hit_latency == 0);
    cr_assert(options.tlb_entries == 0U);
    cr_assert(options.counts == "/tmp/c" && options.period.count() == 60'000);
    cr_assert(options.range.first == 0x10 && options.range.end == UINT64_MAX);
}

Test(options, defaults) {
    const auto options = parse({"log=x"});
    cr_assert(!options.clock && !options.tlb_entries && options.latency.empty());
    cr_assert(options.llc.size == 8 << 20 && options.llc.ways == 16 && options.llc.line == 64);
}

Test(options, those_of_the_hypervisor) {
    const auto options = parse({"log=x", "clock=on", "hv-fast=256M", "hv-scan-ms=500", "hv-batch=8",
                                "hv-bandwidth=1G", "hv-flush-ns=1", "hv-walk-references=20",
                                "hv-reference-ns=7", "hv-charge=copies"});
    const auto& hypervisor = options.hypervisor;
    cr_assert(hypervisor.fast == 256 << 20 && hypervisor.scan_ns == 500'000'000);
    cr_assert(hypervisor.batch == 8 && hypervisor.bandwidth == 1 << 30);
    cr_assert(hypervisor.flush_ns == 1 && hypervisor.walk_references == 20);
    cr_assert(hypervisor.reference_ns == 7);
    cr_assert(!hypervisor.charge_tracking && hypervisor.charge_copies);
}

Test(options, what_cannot_be_is_refused_by_name) {
    refused({}, "log=PATH or counts=PATH is missing");
    refused({"counts=c", "clock=on"}, "clock=on needs log=PATH");
    refused({"speed=9"}, "unknown option 'speed'; allowed are: log, interval-ms, llc-size");
    refused({"log"}, "log=PATH or counts=PATH is missing");
    refused({"log=x", "interval-ms=0"}, "interval-ms=0: a whole number from 1 to 60000 is allowed");
    refused({"log=x", "interval-ms=5s"}, "interval-ms=5s: a whole number");
    refused({"log=x", "interval-ms=99999999999999999999"}, "a whole number");
    refused({"log=x", "llc-size=8X"},
            "llc-size=8X: a whole number of bytes is allowed, or one of K, M or G");
    refused({"log=x", "llc-size=17179869184G"}, "llc-size=17179869184G: ");
    refused({"log=x", "llc-size="}, "llc-size=: ");
    refused({"log=x", "llc-size=M"}, "llc-size=M: ");
    refused({"log=x", "llc-size=5M"}, "llc-size=5242880: with 16 ways of 64 bytes");
    refused({"log=x", "llc-ways=65"}, "llc-ways=65: a whole number from 1 to 64");
    refused({"log=x", "llc-line=8"}, "llc-line=8: a whole number from 16 to 4096");
    refused({"log=x", "clock=yes"}, "clock=yes: on or off is allowed");
    refused({"log=x", "latency=80:"}, "latency=: a whole number from 0 to 1000000");
    refused({"log=x", "latency=1:2:3:4:5:6:7:8:9"}, "at most 8 tiers");
    refused({"log=x", "bandwidth=100K"}, "bandwidth=100K: 0 or at least 1M is allowed");
    refused({"log=x", "tlb-entries=100"},
            "tlb-entries=100: 0 or a power of two from 64 to 4194304");
    refused({"log=x", "tlb-entries=32"}, "tlb-entries=32");
    refused({"log=x", "tlb-entries=8388608"}, "tlb-entries=8388608");
    refused({"log=x", "hv-fast=64M"}, "hv-fast needs clock=on");
    refused({"log=x", "hv-scan-ms=0"}, "hv-scan-ms=0: a whole number from 1 to 60000");
    refused({"log=x", "hv-batch=99999999"}, "hv-batch=99999999: a whole number from 0 to 16777216");
    refused({"log=x", "hv-bandwidth=0"}, "hv-bandwidth=0: 1M to 1024G is allowed");
    refused({"log=x", "hv-walk-references=25"},
            "hv-walk-references=25: a whole number from 0 to 24");
    refused({"log=x", "hv-charge=on"}, "hv-charge=on: all, copies or none is allowed");
    refused({"counts=c", "range=10-10"}, "range=10-10: FIRST-END is allowed");
    refused({"counts=c", "range=x"}, "range=x: FIRST-END is allowed");
}
