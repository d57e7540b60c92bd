// SPDX-License-Identifier: GPL-2.0-or-later
#include "json_log.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

namespace tiermeter {

JsonLog::JsonLog(const std::string& path) : file_(path, std::ios::trunc) {
    if (!file_)
        throw std::system_error(errno, std::generic_category(), "log=" + path);
}

void JsonLog::write(const nlohmann::ordered_json& object) {
    file_ << object << std::endl;
}

} // namespace tiermeter
