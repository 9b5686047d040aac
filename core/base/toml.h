// TOML text to Value and back (toml++ does the parsing).
#pragma once

#include <string>
#include <string_view>

#include "core/base/value.h"

namespace rmkv {

// `name` (a file name) opens the message of a syntax error, with line and column.
Table parse_toml(std::string_view text, const std::string& name);
Table read_toml(const std::string& path);
// Keys sorted, tables after plain values; parse_toml(write_toml(t)) == t (nil values are left out).
std::string write_toml(const Table& table);

}  // namespace rmkv
