// SPDX-License-Identifier: GPL-2.0-or-later
// commands.h - the commands of tiermemctl; see cli/options.h for what each function does
#pragma once

#include "cli/options.h"

namespace tiermemctl {

void add_list(CLI::App& app, Run& run);
void add_show(CLI::App& app, Run& run);
void add_set_quota(CLI::App& app, Run& run);
void add_set_qos(CLI::App& app, Run& run);
void add_balance(CLI::App& app, Run& run);
void add_watch(CLI::App& app, Run& run);
void add_top(CLI::App& app, Run& run);
void add_export(CLI::App& app, Run& run);

} // namespace tiermemctl
