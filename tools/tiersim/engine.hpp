// SPDX-License-Identifier: GPL-2.0-or-later
// engine.hpp - runs one workload under one tierer on the model clock, and keeps
// the fast share beside the oracle's.
//
// The oracle has perfect knowledge of how the accesses of an epoch are
// distributed, has every page where it belongs, and is charged nothing. A scan
// counts for it, and in the shares that are compared with it (`lasting`), as what
// it is in the long run, uniform over what is scanned: else it would matter where
// in a pass a run ends. To follow its position, each page would have to be copied
// for each pass over it, 18 us to save 64 accesses of 120 ns each. What an oracle
// would reach that does even this, free of charge, is kept beside it
// (`clairvoyant`), and what was really served fast (`fast`, `served_fast`).
#ifndef TIERSIM_ENGINE_HPP
#define TIERSIM_ENGINE_HPP

#include <string>
#include <vector>

#include "tierer.hpp"

namespace tiersim {

struct EpochRow {
    double fast;          // share of this epoch's accesses that was served fast
    double lasting;       // the same if each scan were at all of its places at once
    double oracle;        // share that the best placement serves fast
    double clairvoyant;   // the same, if pages could follow a scan for nothing
    double accesses;      // done
    uint32_t period;
    uint64_t samples;
    uint64_t promotions;  // pages
    uint64_t copies;      // pages
    double above;         // share of the hot pages ranked above the cut, or -1
};

// Heat over address and time, for the picture: row = epoch.
struct HeatMap {
    uint32_t columns = 0;
    std::vector<std::vector<float>> heat;  // accesses by column
    std::vector<std::vector<float>> fast;  // share of the column's pages on tier 0
};

struct RunOptions {
    std::string workload = "gups";
    std::string recording;   // file to replay instead of a workload
    double fast_share = 0.38; // of the pages of a recording that fit into tier 0
    std::string tierer = "core";
    uint32_t epochs = 120;
    uint64_t seed = 1;
    Costs costs;
    TiererOptions tuning;
    uint32_t columns = 0; // of the heat map; 0: none
};

struct RunResult {
    std::vector<EpochRow> epochs;
    double end_fast = 0;           // `lasting` of the last twenty epochs (10 s)
    double end_oracle = 0;
    double end_clairvoyant = 0;
    double settled_fast = 0;       // 5 s after a shift, over 5 s (0: no shift)
    double settled_oracle = 0;
    double accesses = 0;           // all
    double served_fast = 0;        // of them
    uint64_t promotions = 0;
    uint64_t copies = 0;
    uint64_t late_promotions = 0;  // in the last twenty epochs
    uint64_t needed = 0;           // hot pages that were slow when they became hot
    int reaction = -1;             // epochs after a shift until 90 % are above the cut
    HeatMap map;
};

// Throws std::invalid_argument with a message for the user.
RunResult run(const RunOptions& options);

} // namespace tiersim

#endif
