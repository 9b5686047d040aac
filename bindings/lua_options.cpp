// Declarations of options in Lua become an OptionSet, and what it reads a closed table.
#include "bindings/lua_options.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "bindings/host.h"
#include "bindings/lua_value.h"
#include "bindings/options.h"
#include "bindings/process.h"
#include "core/base/error.h"

namespace rmkv::lua {

namespace {

OptionType type_of_value(const Value& value) {
  if (value.is_bool()) return OptionType::kBoolean;
  if (value.is_number()) return OptionType::kNumber;
  if (value.is_list()) return OptionType::kList;
  if (value.is_table()) return OptionType::kTable;
  return OptionType::kString;
}

OptionType type_of_name(const std::string& name, const std::string& where) {
  if (name == "boolean") return OptionType::kBoolean;
  if (name == "number") return OptionType::kNumber;
  if (name == "integer") return OptionType::kInteger;
  if (name == "string") return OptionType::kString;
  if (name == "list") return OptionType::kList;
  if (name == "table") return OptionType::kTable;
  fail_because(
      where,
      unknown_name_text("type", name, {"boolean", "number", "integer", "string", "list", "table"}));
}

// One declaration: { default, "help", choices = {...}, ... }.
OptionSpec read_spec(lua_State* L, int index, const std::string& name) {
  std::string where = "options." + name;
  if (!lua_istable(L, index)) fail(where, describe(L, index), "{ default, \"help\", ... }");
  OptionSpec spec;
  spec.name = name;
  lua_rawgeti(L, index, 1);
  spec.fallback = to_value(L, lua_gettop(L), where + " default");
  lua_rawgeti(L, index, 2);
  if (lua_isstring(L, -1))
    spec.help = lua_tostring(L, -1);
  else if (!lua_isnil(L, -1))
    fail(where + " help", describe(L, lua_gettop(L)), "text");
  lua_pop(L, 2);
  spec.type = type_of_value(spec.fallback);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      std::string key = lua_tostring(L, -2);
      Value value = to_value(L, lua_gettop(L), where + "." + key);
      if (key == "choices") {
        for (const Value& item : value.as_list()) spec.choices.push_back(item.as_string());
      } else if (key == "positional")
        spec.positional = static_cast<int>(value.as_int());
      else if (key == "required")
        spec.required = value.as_bool();
      else if (key == "min")
        spec.low = value.as_double();
      else if (key == "max")
        spec.high = value.as_double();
      else if (key == "type")
        spec.type = type_of_name(value.as_string(), where + ".type");
      else if (key == "repeated")
        spec.type = value.as_bool() ? OptionType::kList : spec.type;
      else if (key == "items")
        spec.item_type = type_of_name(value.as_string(), where + ".items");
      else
        fail_because(where, unknown_name_text("key", key,
                                              {"choices", "positional", "required", "min", "max",
                                               "type", "items", "repeated"}));
    }
    lua_pop(L, 1);
  }
  if (spec.type == OptionType::kList) {
    if (spec.fallback.is_table()) spec.fallback = List{};
    if (spec.fallback.is_list() && !spec.fallback.as_list().empty()) {
      spec.item_type = type_of_value(spec.fallback.as_list()[0]);
    }
  }
  return spec;
}

// The leading comment of the running recipe, which says what it is for.
std::string recipe_title(const std::string& path) {
  std::ifstream file(path);
  std::string line, text;
  while (std::getline(file, line)) {
    if (line.rfind("#!", 0) == 0) continue;
    if (line.rfind("---", 0) == 0 || line.rfind("--", 0) != 0) break;
    text += (text.empty() ? "" : "\n") +
            line.substr(std::min<size_t>(line.size(), line.size() > 2 && line[2] == ' ' ? 3 : 2));
  }
  return text;
}

char g_given_key;  // in the metatable of an options table: the names that were set

int option_missing(lua_State* L) {
  // Upvalue 1: the declared names.  A declared name without value is nil; any other is a slip.
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (lua_toboolean(L, -1)) {
    lua_pushnil(L);
    return 1;
  }
  {
    std::vector<std::string> names;
    lua_pushnil(L);
    while (lua_next(L, lua_upvalueindex(1))) {
      lua_pop(L, 1);
      names.push_back(lua_tostring(L, -1));
    }
    std::sort(names.begin(), names.end());
    std::string name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : describe(L, 2);
    std::string place = lua_place(L, 1);
    lua_pushstring(
        L,
        ((place.empty() ? "" : place + ": ") + unknown_name_text("option", name, names)).c_str());
  }
  return lua_error(L);
}

int option_assigned(lua_State* L) {
  option_missing(L);  // raises for an undeclared name
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 0;
}

}  // namespace

int declare_options(Call& c) {
  OptionSet set;
  lua_pushnil(c.L);
  while (lua_next(c.L, 1)) {
    if (lua_type(c.L, -2) != LUA_TSTRING)
      fail("options", "the key " + describe(c.L, lua_gettop(c.L) - 1), "names of options");
    set.add(read_spec(c.L, lua_gettop(c.L), lua_tostring(c.L, -2)));
    lua_pop(c.L, 1);
  }
  try {
    set.parse(c.host.options().arguments);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  if (set.help_requested()) {
    const std::string& recipe = c.host.options().recipe;
    std::string command = recipe.empty() ? "..." : chunk_name(c.host.options(), recipe);
    std::fputs(set.help_text(command, recipe_title(recipe), terminal_width(STDOUT_FILENO)).c_str(),
               stdout);
    std::fflush(stdout);
    std::exit(0);
  }
  push_value(c.L, Value(set.values()));
  lua_newtable(c.L);  // metatable
  lua_newtable(c.L);  // declared names
  for (const OptionSpec& spec : set.specs()) {
    lua_pushboolean(c.L, true);
    lua_setfield(c.L, -2, spec.name.c_str());
  }
  lua_pushvalue(c.L, -1);
  lua_pushcclosure(c.L, option_missing, 1);
  lua_setfield(c.L, -3, "__index");
  lua_pushcclosure(c.L, option_assigned, 1);
  lua_setfield(c.L, -2, "__newindex");
  lua_pushlightuserdata(c.L, &g_given_key);
  lua_newtable(c.L);
  for (const std::string& name : set.given()) {
    lua_pushboolean(c.L, true);
    lua_setfield(c.L, -2, name.c_str());
  }
  lua_rawset(c.L, -3);
  lua_setmetatable(c.L, -2);
  return 1;
}

int option_given(Call& c) {
  bool found = lua_getmetatable(c.L, 1);
  if (found) {
    lua_pushlightuserdata(c.L, &g_given_key);
    lua_rawget(c.L, -2);
    found = lua_istable(c.L, -1);
  }
  if (!found) c.wrong(1, "a table made by rmkv.options");
  lua_getfield(c.L, -1, c.string(2).c_str());
  return c.push(lua_toboolean(c.L, -1) != 0);
}

}  // namespace rmkv::lua
