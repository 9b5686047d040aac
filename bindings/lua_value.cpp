// Conversion between Lua values and Value.
#include "bindings/lua_value.h"

#include <cmath>

#include "bindings/bind.h"
#include "core/base/error.h"

namespace rmkv::lua {

namespace {

constexpr double kExactInteger = 9007199254740992.0;  // 2^53
constexpr int kDeepest = 100;                         // also ends cycles
constexpr const char kLongPrefix[] = "int64:";
char g_list_metatable;

bool is_marked_list(lua_State* L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  lua_pushlightuserdata(L, &g_list_metatable);
  lua_rawget(L, LUA_REGISTRYINDEX);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

Value convert(lua_State* L, int index, const std::string& where, int depth);

Value convert_table(lua_State* L, int index, const std::string& where, int depth) {
  if (depth > kDeepest) {
    fail(where, "a table nested deeper than " + std::to_string(kDeepest),
         "plain data without cycles");
  }
  luaL_checkstack(L, 8, "nested tables");
  size_t length = lua_objlen(L, index);
  bool list = length > 0 || is_marked_list(L, index);
  size_t entries = 0;
  List items;
  Table table;
  if (list) {
    items.reserve(length);
    for (size_t i = 1; i <= length; ++i) {
      lua_rawgeti(L, index, static_cast<int>(i));
      items.push_back(convert(L, lua_gettop(L), where + "[" + std::to_string(i) + "]", depth + 1));
      lua_pop(L, 1);
    }
  }
  lua_pushnil(L);
  while (lua_next(L, index)) {
    ++entries;
    if (lua_type(L, -2) == LUA_TSTRING) {
      size_t size = 0;
      const char* text = lua_tolstring(L, -2, &size);
      std::string key(text, size);
      if (list)
        fail(where, "a table with both list items and the key '" + key + "'", "one or the other");
      Value item = convert(L, lua_gettop(L), where + "." + key, depth + 1);
      if (!item.is_nil()) table[key] = std::move(item);
    } else if (!list) {
      fail(where, "a table with the key " + describe(L, lua_gettop(L) - 1), "string keys, or 1..n");
    }
    lua_pop(L, 1);
  }
  if (list && entries != length) {
    fail(where, "a list with holes or other keys", "the keys 1.." + std::to_string(length));
  }
  return list ? Value(std::move(items)) : Value(std::move(table));
}

Value convert(lua_State* L, int index, const std::string& where, int depth) {
  switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL:
      return {};
    case LUA_TBOOLEAN:
      return Value(lua_toboolean(L, index) != 0);
    case LUA_TNUMBER: {
      double x = lua_tonumber(L, index);
      if (std::nearbyint(x) == x && std::fabs(x) <= kExactInteger)
        return Value(static_cast<int64_t>(x));
      return Value(x);
    }
    case LUA_TSTRING: {
      size_t size = 0;
      const char* data = lua_tolstring(L, index, &size);
      std::string text(data, size);
      if (text.rfind(kLongPrefix, 0) == 0) {
        return Value(static_cast<int64_t>(std::stoll(text.substr(sizeof kLongPrefix - 1))));
      }
      return Value(std::move(text));
    }
    case LUA_TTABLE:
      return convert_table(L, index, where, depth);
    default:
      fail(where, describe(L, index), "plain data (boolean, number, string, table)");
  }
}

}  // namespace

Value to_value(lua_State* L, int index, const std::string& where) {
  if (index < 0) index = lua_gettop(L) + index + 1;
  return convert(L, index, where, 0);
}

void push_value(lua_State* L, const Value& value) {
  luaL_checkstack(L, 4, "nested values");
  if (value.is_nil()) {
    lua_pushnil(L);
  } else if (value.is_bool()) {
    lua_pushboolean(L, value.as_bool());
  } else if (value.is_int()) {
    int64_t x = value.as_int();
    if (x <= int64_t{1} << 53 && x >= -(int64_t{1} << 53)) {
      lua_pushnumber(L, static_cast<double>(x));
    } else {
      lua_pushstring(L, (kLongPrefix + std::to_string(x)).c_str());
    }
  } else if (value.is_number()) {
    lua_pushnumber(L, value.as_double());
  } else if (value.is_string()) {
    lua_pushlstring(L, value.as_string().data(), value.as_string().size());
  } else if (value.is_list()) {
    const List& list = value.as_list();
    lua_createtable(L, static_cast<int>(list.size()), 0);
    for (size_t i = 0; i < list.size(); ++i) {
      push_value(L, list[i]);
      lua_rawseti(L, -2, static_cast<int>(i + 1));
    }
    if (list.empty()) mark_list(L);
  } else {
    lua_createtable(L, 0, static_cast<int>(value.as_table().size()));
    for (const auto& [key, item] : value.as_table()) {
      lua_pushlstring(L, key.data(), key.size());
      push_value(L, item);
      lua_rawset(L, -3);
    }
  }
}

void mark_list(lua_State* L) {
  lua_pushlightuserdata(L, &g_list_metatable);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, &g_list_metatable);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  lua_setmetatable(L, -2);
}

}  // namespace rmkv::lua
