// Values as text for people: sorted tables, cycles and depth marked, tensors summarised.
#pragma once

#include <lua.hpp>

#include <string>

namespace rmkv::lua {

struct InspectOptions {
  int depth = 4;      // tables nested deeper show as {...}
  int width = 80;     // a table that fits in this many columns is written on one line
  int entries = 200;  // entries shown of one table
};

// Never calls into Lua code: metatables of plain tables are ignored.
std::string inspect(lua_State* L, int index, const InspectOptions& options);

}  // namespace rmkv::lua
