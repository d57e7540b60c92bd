// SPDX-License-Identifier: GPL-2.0-or-later
// The log: one JSON object a line, each written out at once.
#pragma once

#include <fstream>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tiermeter {

class JsonLog {
public:
    // Creates or overwrites the file. Throws std::system_error that names it.
    explicit JsonLog(const std::string& path);

    // One thread at a time.
    void write(const nlohmann::ordered_json& object);

private:
    std::ofstream file_;
};

} // namespace tiermeter
