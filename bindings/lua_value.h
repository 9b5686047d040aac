// Lua values to the plain data tree of core/base/value.h and back.
//
// A Lua table with the keys 1..n becomes a List, one with string keys a Table; mixed keys,
// functions and handles are errors that name the place inside the value.  Whole numbers up to 2^53
// become integers.  Integers beyond 2^53, which a Lua number cannot hold, travel as strings
// "int64:..." and come back as integers.  An empty table is a Table unless it carries the list mark
// (rmkv.json.list).
#pragma once

#include <lua.hpp>

#include <string>

#include "core/base/value.h"

namespace rmkv::lua {

// `where` opens messages: "options.groups".
Value to_value(lua_State* L, int index, const std::string& where);
void push_value(lua_State* L, const Value& value);
// Marks the table at the top as a list.
void mark_list(lua_State* L);

}  // namespace rmkv::lua
