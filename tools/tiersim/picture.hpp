// SPDX-License-Identifier: GPL-2.0-or-later
// picture.hpp - the heat map as a picture: time from left to right, addresses
// from bottom to top. The upper panel shows the heat (dark: cold, bright: hot, a
// logarithmic scale), the lower one which share of each stretch is on tier 0.
#ifndef TIERSIM_PICTURE_HPP
#define TIERSIM_PICTURE_HPP

#include <string>

#include "engine.hpp"

namespace tiersim {

// Writes FILE.png or, with axes and a legend, FILE.svg (by the name's end).
// Throws std::runtime_error with a message for the user.
void write_picture(const std::string& file, const HeatMap& map, const std::string& title);

} // namespace tiersim

#endif
