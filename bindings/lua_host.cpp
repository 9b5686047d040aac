// Module rmkv: options, scopes, memory, help, interruption.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "bindings/bind.h"
#include "bindings/help.h"
#include "bindings/host.h"
#include "bindings/inspect.h"
#include "bindings/interrupt.h"
#include "bindings/lua_value.h"
#include "bindings/modules.h"
#include "bindings/options.h"
#include "bindings/process.h"
#include "bindings/runner.h"
#include "core/base/error.h"

namespace rmkv::lua {

namespace {

// Moves the handles of a returned value, and of tables in it, to the scope around.
void promote_value(Call& c, int index, std::set<const void*>& seen) {
  if (Handle* handle = handle_at(c.L, index)) return c.host.handles().promote(*handle);
  if (!lua_istable(c.L, index) || !seen.insert(lua_topointer(c.L, index)).second) return;
  luaL_checkstack(c.L, 6, "nested results");
  lua_pushnil(c.L);
  while (lua_next(c.L, index)) {
    promote_value(c, lua_gettop(c.L), seen);
    lua_pop(c.L, 1);
  }
}

// Leaves the scope on every way out: a Lua error unwinds through this frame like an exception.
class ScopeGuard {
 public:
  explicit ScopeGuard(HandleTable& handles) : handles_(handles) { handles_.enter_scope(); }
  ~ScopeGuard() { handles_.leave_scope(); }

 private:
  HandleTable& handles_;
};

int scope(Call& c) {
  ScopeGuard guard(c.host.handles());
  lua_call(c.L, c.count() - 1, LUA_MULTRET);
  std::set<const void*> seen;
  for (int i = 1; i <= lua_gettop(c.L); ++i) promote_value(c, i, seen);
  return lua_gettop(c.L);
}

int mem(Call& c) {
  HandleTable& handles = c.host.handles();
  List largest;
  for (const LiveObject& object : handles.largest(10)) {
    largest.push_back(
        Table{{"type", object.type}, {"made_at", object.made_at}, {"bytes", object.bytes}});
  }
  ProcessMemory process = process_memory();
  double lua_bytes = 1024.0 * lua_gc(c.L, LUA_GCCOUNT, 0) + lua_gc(c.L, LUA_GCCOUNTB, 0);
  return c.push(Value(Table{{"handles", handles.count()},
                            {"bytes", handles.bytes()},
                            {"peak_bytes", handles.peak_bytes()},
                            {"lua_bytes", lua_bytes},
                            {"collections", handles.collections()},
                            {"threshold_bytes", handles.threshold_bytes()},
                            {"resident_bytes", process.resident_bytes},
                            {"largest", largest}}));
}

const Module* bound_module(lua_State* L, int index) {
  lua_getglobal(L, "rmkv");
  bool top = lua_rawequal(L, -1, index);
  const Module* found = top ? find_module("rmkv") : nullptr;
  for (const Module& module : all_modules()) {
    if (found || module.name == "rmkv") continue;
    lua_getfield(L, -1, short_name(module.name).c_str());
    if (lua_rawequal(L, -1, index)) found = &module;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

int help(Call& c) {
  std::string text;
  if (!c.has(1))
    text = overview_help();
  else if (lua_type(c.L, 1) == LUA_TSTRING)
    text = help_for(c.string(1));
  else if (const Function* function = lua_isfunction(c.L, 1) ? function_of(c.L, 1) : nullptr)
    text = function_help(*function);
  else if (Handle* handle = handle_at(c.L, 1))
    text = class_help(*handle->type);
  else if (const Module* module = lua_istable(c.L, 1) ? bound_module(c.L, 1) : nullptr) {
    text = module->name == "rmkv" ? overview_help() + "\n" + module_help(*module)
                                  : module_help(*module);
  } else
    text = inspect(c.L, 1, {}) + "\n";
  std::fputs(text.c_str(), stdout);
  return 0;
}

int help_text(Call& c) {
  return c.push(help_for(c.string(1)));
}

int stop_requested(Call& c) {
  const char* reason = stop_reason();
  return reason ? c.push(reason) : c.push_nil();
}

int defer(Call& c) {
  defer_interrupts(c.boolean(1));
  return 0;
}

int clear_stop(Call&) {
  clear_stop_reason();
  return 0;
}

int catch_interrupt(Call& c) {
  int arguments = c.count() - 1;
  lua_State* L = c.L;
  if (lua_pcall(L, arguments, LUA_MULTRET, 0) == 0) {
    lua_pushboolean(L, true);
    lua_insert(L, 1);
    return lua_gettop(L);
  }
  if (!interrupt_pending()) lua_error(L);
  clear_interrupt(L);
  lua_pushboolean(L, false);
  lua_insert(L, -2);
  return 2;
}

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

int options(Call& c) {
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

int options_given(Call& c) {
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

int inspect_value(Call& c) {
  InspectOptions options;
  options.depth = static_cast<int>(c.integer(2, options.depth));
  return c.push(inspect(c.L, 1, options));
}

int load_recipe(Call& c) {
  std::string path = find_recipe(c.host, c.string(1));
  bool loaded = load_file(c.L, c.host.options(), path);
  if (loaded) return 1;
  std::string message = lua_tostring(c.L, -1);
  return c.absent(message);
}

}  // namespace

Module host_module() {
  return {
      .name = "rmkv",
      .doc = "the program itself: options, scopes, memory, help, interruption",
      .functions = {
          {.name = "rmkv.options",
           .doc = "Declares the options of a recipe and reads them from the command line; --help "
                  "prints them.",
           .args = {{"declarations", "table",
                     "name = { default, \"help\", choices =, positional =, repeated =, type =, "
                     "items =, min =, "
                     "max =, required = }; "
                     "a list as default is an option that may be repeated, a table one that --set "
                     "name.key=value fills"}},
           .returns = {{"options", "table",
                        "closed: reading or writing an undeclared name raises"}},
           .call = options,
           .errors = "on an unknown option (naming the nearest), a wrong type, a value outside its "
                     "range"},
          {.name = "rmkv.options_given",
           .doc = "Tells whether an option was set by the command line or a file.",
           .args = {{"options", "table", "from rmkv.options"}, {"name", "string", ""}},
           .returns = {{"", "boolean", ""}},
           .call = options_given},
          {.name = "rmkv.scope",
           .doc = "Calls a function and releases every object made inside, except what it returns.",
           .args = {{"body", "function", ""}, {"...", "...", "arguments of the function"}},
           .returns = {{"results", "any", "what the function returned"}},
           .call = scope,
           .errors = "what the function raises, after releasing"},
          {.name = "rmkv.mem",
           .doc = "Counts the live objects and their bytes.",
           .args = {},
           .returns = {{"", "table",
                        "handles, bytes, peak_bytes, lua_bytes, collections, threshold_bytes, "
                        "resident_bytes, largest = { {type, made_at, bytes} }"}},
           .call = mem},
          {.name = "rmkv.help",
           .doc =
               "Prints help for a function, module, class, object or name; also the global help.",
           .args = {{"subject", "any", "", "an overview"}},
           .returns = {},
           .call = help,
           .errors = "on an unknown name, naming the nearest"},
          {.name = "rmkv.help_text",
           .doc = "Returns what help prints for a name.",
           .args = {{"name", "string", "\"rmkv.tensor\", \"Tensor:sum\", \"Tensor\""}},
           .returns = {{"", "string", ""}},
           .call = help_text,
           .errors = "on an unknown name, naming the nearest"},
          {.name = "rmkv.inspect",
           .doc = "Returns a value as text: tables sorted and indented, tensors summarised.",
           .args = {{"value", "any", ""},
                    {"depth", "integer?", "tables nested deeper show as {...}", "4", 1, 100}},
           .returns = {{"", "string", ""}},
           .call = inspect_value},
          {.name = "rmkv.load_recipe",
           .doc = "Loads a recipe file or name as a function without running it.",
           .args = {{"name", "string", ""}},
           .returns = {{"chunk", "function?", "nil when it does not parse"},
                       {"message", "string?", ""}},
           .call = load_recipe,
           .errors = "when there is no such recipe"},
          {.name = "rmkv.stop_requested",
           .doc = "Tells whether SIGTERM, or a deferred Ctrl-C, asks the recipe to save and end.",
           .args = {},
           .returns = {{"reason", "string?", "\"interrupt\", \"terminate\" or nil"}},
           .call = stop_requested},
          {.name = "rmkv.clear_stop",
           .doc = "Forgets a stop request, for a recipe that decides to go on.",
           .args = {},
           .returns = {},
           .call = clear_stop},
          {.name = "rmkv.defer_interrupts",
           .doc = "While on, the first Ctrl-C raises nothing and only shows in stop_requested; a "
                  "second within 2 s quits.",
           .args = {{"on", "boolean", ""}},
           .returns = {},
           .call = defer},
          {.name = "rmkv.catch_interrupt",
           .doc = "Calls a function; catches Ctrl-C and nothing else.",
           .args = {{"body", "function", ""}, {"...", "...", "arguments of the function"}},
           .returns = {{"ended", "boolean", "false after Ctrl-C"},
                       {"results", "any", "or the message"}},
           .call = catch_interrupt,
           .errors = "every other error of the function"},
      }};
}

}  // namespace rmkv::lua
