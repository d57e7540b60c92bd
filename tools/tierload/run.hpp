// SPDX-License-Identifier: GPL-2.0-or-later
// run.hpp - a whole run: workers are started, watched and reported on.
#ifndef TIERLOAD_RUN_HPP
#define TIERLOAD_RUN_HPP

#include "settings.hpp"

namespace tierload {

// Settings have been checked. Throws std::runtime_error or std::system_error when something fails,
// among it a worker; what was measured until then has been printed.
void run(const Settings& settings);

} // namespace tierload

#endif
