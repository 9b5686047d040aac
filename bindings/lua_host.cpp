// Module rmkv: scopes, memory, help, interruption; its options are in lua_options.cpp.

#include <cstdio>
#include <set>

#include "bindings/bind.h"
#include "bindings/help.h"
#include "bindings/host.h"
#include "bindings/inspect.h"
#include "bindings/interrupt.h"
#include "bindings/lua_options.h"
#include "bindings/modules.h"
#include "bindings/process.h"
#include "bindings/runner.h"

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
           .call = declare_options,
           .errors = "on an unknown option (naming the nearest), a wrong type, a value outside its "
                     "range"},
          {.name = "rmkv.options_given",
           .doc = "Tells whether an option was set by the command line or a file.",
           .args = {{"options", "table", "from rmkv.options"}, {"name", "string", ""}},
           .returns = {{"", "boolean", ""}},
           .call = option_given},
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
           .args = {{"subject", "any?", "", "an overview"}},
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
