// What a bound function reads of its arguments and pushes as results; values and places as text.
#include <algorithm>
#include <cmath>

#include "bindings/bind.h"
#include "bindings/host.h"
#include "bindings/lua_value.h"
#include "core/base/error.h"

namespace rmkv::lua {

std::string describe(lua_State* L, int index) {
  switch (lua_type(L, index)) {
    case LUA_TNONE:
      return "nothing";
    case LUA_TNIL:
      return "nil";
    case LUA_TBOOLEAN:
      return lua_toboolean(L, index) ? "true" : "false";
    case LUA_TNUMBER: {
      // Copied first: lua_tostring would change the value in place.
      lua_pushvalue(L, index);
      std::string text = lua_tostring(L, -1);
      lua_pop(L, 1);
      return text;
    }
    case LUA_TSTRING: {
      std::string text = lua_tostring(L, index);
      if (text.size() > 60) text.replace(57, std::string::npos, "...");
      return "string '" + text + "'";
    }
    case LUA_TUSERDATA:
      if (Handle* handle = handle_at(L, index)) {
        return handle->type->name + (handle->object ? "" : " (released)");
      }
      return "userdata";
    default:
      return lua_typename(L, lua_type(L, index));
  }
}

std::string lua_place(lua_State* L, int level) {
  lua_Debug info;
  for (; lua_getstack(L, level, &info); ++level) {
    lua_getinfo(L, "Sl", &info);
    if (info.currentline > 0)
      return std::string(info.short_src) + ":" + std::to_string(info.currentline);
  }
  return "";
}

std::string Call::argument_name(int index) const {
  int position = index - (method_class(function).empty() ? 1 : 2);
  if (position < 0) return "object";
  size_t last = function.args.size() - 1;
  if (function.args.empty()) return "argument " + std::to_string(index);
  return function.args[std::min(static_cast<size_t>(position), last)].name;
}

void Call::wrong(int index, const std::string& expected) const {
  fail(argument_name(index), describe(L, index), expected);
}

bool Call::boolean(int index, bool fallback) const {
  return has(index) ? lua_toboolean(L, index) != 0 : fallback;
}

double Call::number(int index) const {
  if (lua_type(L, index) != LUA_TNUMBER) wrong(index, "a number");
  return lua_tonumber(L, index);
}

double Call::number(int index, double fallback) const {
  return has(index) ? number(index) : fallback;
}

int64_t Call::integer(int index) const {
  double x = number(index);
  if (std::nearbyint(x) != x) wrong(index, "a whole number");
  return static_cast<int64_t>(x);
}

int64_t Call::integer(int index, int64_t fallback) const {
  return has(index) ? integer(index) : fallback;
}

std::string_view Call::text(int index) const {
  if (lua_type(L, index) != LUA_TSTRING) wrong(index, "a string");
  size_t size = 0;
  const char* data = lua_tolstring(L, index, &size);
  return {data, size};
}

std::string Call::string(int index, const std::string& fallback) const {
  return has(index) ? string(index) : fallback;
}

std::vector<int64_t> Call::integers(int index) const {
  std::vector<int64_t> list;
  if (lua_type(L, index) != LUA_TTABLE) {
    for (; index <= count_; ++index) list.push_back(integer(index));
    return list;
  }
  size_t length = lua_objlen(L, index);
  list.reserve(length);
  for (size_t i = 1; i <= length; ++i) {
    lua_rawgeti(L, index, static_cast<int>(i));
    double x = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || std::nearbyint(x) != x) {
      fail(argument_name(index) + "[" + std::to_string(i) + "]", describe(L, lua_gettop(L)),
           "a whole number");
    }
    lua_pop(L, 1);
    list.push_back(static_cast<int64_t>(x));
  }
  return list;
}

Value Call::value(int index) const {
  return to_value(L, index, argument_name(index));
}

Table Call::table(int index) const {
  if (!has(index)) return {};
  Value value = this->value(index);
  if (!value.is_table()) wrong(index, "a table with named keys");
  return std::move(value.as_table());
}

int Call::push(int64_t x) const {
  return push_value(L, Value(x)), 1;
}
int Call::push(const Value& x) const {
  return push_value(L, x), 1;
}

int Call::push(const std::vector<int64_t>& list) const {
  lua_createtable(L, static_cast<int>(list.size()), 0);
  for (size_t i = 0; i < list.size(); ++i) {
    lua_pushnumber(L, static_cast<double>(list[i]));
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  if (list.empty()) mark_list(L);
  return 1;
}

int Call::push(const std::vector<std::string>& list) const {
  lua_createtable(L, static_cast<int>(list.size()), 0);
  for (size_t i = 0; i < list.size(); ++i) {
    push(list[i]);
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  if (list.empty()) mark_list(L);
  return 1;
}

Handle* Call::checked(int index, const Class& type) const {
  Handle* handle = handle_at(L, index);
  if (!handle || handle->type != &type) wrong(index, type.name);
  if (!handle->object) {
    fail_because(
        argument_name(index),
        type.name + " used after its scope ended or it was released; made at " + handle->made_at);
  }
  return handle;
}

}  // namespace rmkv::lua
