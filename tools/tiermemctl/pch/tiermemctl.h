// SPDX-License-Identifier: GPL-2.0-or-later
// What nearly every file includes and takes seconds to read: compiled once.
#include <fmt/format.h>
#include <gio/gio.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
