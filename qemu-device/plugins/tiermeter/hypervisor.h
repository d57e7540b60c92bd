// SPDX-License-Identifier: GPL-2.0-or-later
// Tiering from outside of the guest, as a model: a hypervisor that owns the map from guest-physical
// page to tier, learns which pages are used from access bits in its second-level page tables, and
// moves pages by that.
//
// To see an access bit set anew, all translations that vCPUs have cached must be dropped. So each
// scan takes the bits of the interval that ends and drops all translations; the first access to
// each page after that walks both levels of page tables again, which is what sets the bit. The
// guest notices nothing but the time.
//
//   access -> touch(): first of the interval? -> bit set, a walk's time
//   time   -> advance(): the interval is over?  -> heat of all pages, pages to exchange, the
//   flush's time
//                        an exchange is due?    -> pages change tiers, the copies' time
//
// A page gets a tier when it is touched for the first time: fast while there is room. Heat is a
// decaying sum of access bits; the hottest pages on slow memory are exchanged with the coldest on
// fast memory, as many as the batch allows, one after another as the bandwidth allows.
//
// One thread at a time. Same calls, same results.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "tiers.h"

namespace tiermeter {

struct HypervisorSettings {
    std::uint64_t fast = 0; // bytes of fast memory; 0: no such tiering
    std::uint64_t scan_ns = 1'000'000'000;
    std::uint32_t batch = 4096;         // pages moved after a scan, at most
    std::uint64_t bandwidth = 64 << 20; // bytes moved in a second, at most
    std::uint32_t flush_ns = 2000;      // of a scan, for each vCPU
    std::uint32_t walk_references = 24; // of a two-dimensional walk: 4 x 4 + 4 + 4
    std::uint32_t reference_ns = 5;     // each; most of them are in a cache
    bool charge_tracking = true;        // flushes and walks take time
    bool charge_copies = true;
};

struct HypervisorCounts {
    std::uint64_t scans = 0;
    std::uint64_t walks = 0;       // first accesses to pages after a scan
    std::uint64_t moved = 0;       // pages, up or down
    std::uint64_t tracking_ns = 0; // what the clock was charged for flushes and walks
    std::uint64_t copy_ns = 0;     // and for copies
};

class HypervisorTiering {
public:
    // `latency` is that of the two tiers, ns; pages are below `pages`.
    HypervisorTiering(const HypervisorSettings& settings, std::array<std::uint32_t, 2> latency,
                      unsigned vcpus, std::uint64_t pages);

    // A page is accessed: ns to charge for that, beside what the memory takes.
    std::uint64_t touch(std::uint64_t page) { return seen_[page] == interval_ ? 0 : walk(page); }
    // The page has been touched.
    [[nodiscard]] TierId tier(std::uint64_t page) const { return tier_[page]; }

    // Does what is due at `now`, which never decreases: ns to charge for it.
    std::uint64_t advance(std::uint64_t now) { return now >= next_ ? act(now) : 0; }
    [[nodiscard]] const HypervisorCounts& counts() const { return counts_; }

private:
    using Page = std::uint32_t;
    struct Exchange {
        Page up;
        Page down; // no_page: there is room
    };

    std::uint64_t walk(std::uint64_t page);
    std::uint64_t act(std::uint64_t now);
    std::uint64_t scan();
    void plan();
    [[nodiscard]] std::vector<Page> pages_of(TierId tier, bool hottest) const;
    std::uint64_t exchange(const Exchange& pair);
    void move(Page page, TierId tier);

    HypervisorSettings settings_;
    std::uint64_t copy_ns_; // of a page
    unsigned vcpus_;
    std::uint64_t fast_free_; // pages
    std::uint32_t interval_ = 1;
    std::vector<std::uint32_t>
        seen_; // the interval in which a page was touched for the last time; 0: never
    std::vector<TierId> tier_;
    std::vector<std::uint8_t> heat_;
    std::vector<Exchange> planned_;
    std::size_t done_ = 0; // of them
    std::uint64_t next_scan_;
    std::uint64_t next_move_ = UINT64_MAX;
    std::uint64_t next_; // the earlier one
    HypervisorCounts counts_;
};

} // namespace tiermeter
