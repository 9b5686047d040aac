// Protected calls with a trace of recipe lines.
#include "bindings/runner.h"

#include <algorithm>
#include <filesystem>

#include "bindings/bind.h"
#include "bindings/inspect.h"
#include "bindings/interrupt.h"
#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv::lua {

namespace fs = std::filesystem;

namespace {

// Where the error handler leaves what it saw; one protected call at a time per host.
thread_local Failure* g_failure = nullptr;

constexpr int kTraceLines = 30;  // a runaway recursion has thousands

std::vector<LocalVariable> read_locals(lua_State* L, lua_Debug& info) {
  std::vector<LocalVariable> locals;
  InspectOptions brief;
  brief.depth = 1;
  brief.width = 60;
  for (int i = 1;; ++i) {
    const char* name = lua_getlocal(L, &info, i);
    if (!name) break;
    // Names in parentheses are the interpreter's own.
    if (name[0] != '(') locals.push_back({name, inspect(L, lua_gettop(L), brief)});
    lua_pop(L, 1);
  }
  return locals;
}

// Whether the error was raised on purpose, by `error` or a bound function, not by a slip in Lua
// code.
bool was_raised(lua_State* L) {
  lua_Debug info;
  if (!lua_getstack(L, 1, &info)) return false;
  lua_getinfo(L, "Sf", &info);
  lua_getglobal(L, "error");
  bool raised = *info.what == 'C' && (lua_rawequal(L, -1, -2) || function_of(L, -2));
  lua_pop(L, 2);
  return raised;
}

int handle_error(lua_State* L) {
  Failure& failure = *g_failure;
  const bool raised = lua_type(L, 1) == LUA_TSTRING && was_raised(L);
  if (lua_type(L, 1) == LUA_TSTRING || lua_type(L, 1) == LUA_TNUMBER) {
    failure.message = lua_tostring(L, 1);
  } else if (luaL_callmeta(L, 1, "__tostring") && lua_isstring(L, -1)) {
    failure.message = lua_tostring(L, -1);
  } else {
    failure.message = "error object: " + inspect(L, 1, {});
  }
  failure.trace.clear();
  lua_Debug info;
  for (int level = 1; lua_getstack(L, level, &info); ++level) {
    if (failure.trace.size() >= kTraceLines) break;
    lua_getinfo(L, "Sln", &info);
    if (info.currentline <= 0) continue;
    TraceLine line;
    line.place = std::string(info.short_src) + ":" + std::to_string(info.currentline);
    if (*info.what == 'm')
      line.function = "in main chunk";
    else if (info.name)
      line.function = "in function '" + std::string(info.name) + "'";
    else
      line.function = "in function at line " + std::to_string(info.linedefined);
    line.locals = read_locals(L, info);
    failure.trace.push_back(std::move(line));
  }
  const auto names_it = [&failure](const TraceLine& line) {
    return failure.message.rfind(line.place + ":", 0) == 0;
  };
  failure.usage = raised && std::none_of(failure.trace.begin(), failure.trace.end(), names_it);
  return 1;
}

}  // namespace

std::string Failure::text() const {
  std::string text = message;
  if (usage) return text;
  // A single line that the message names already says nothing new.
  if (trace.size() == 1 && message.rfind(trace[0].place + ":", 0) == 0) return text;
  for (const TraceLine& line : trace) text += "\n  at " + line.place + " " + line.function;
  if (trace.size() >= kTraceLines) text += "\n  ...";
  return text;
}

bool protected_call(Host& host, int argument_count, int result_count, Failure& failure) {
  lua_State* L = host.state();
  int base = lua_gettop(L) - argument_count;
  lua_pushcfunction(L, handle_error);
  lua_insert(L, base);
  Failure* outer = g_failure;
  g_failure = &failure;
  int status = lua_pcall(L, argument_count, result_count, base);
  g_failure = outer;
  lua_remove(L, base);
  const bool interrupted = takes_interrupts(L) && interrupt_pending();
  if (interrupted) clear_interrupt(L);
  if (status == 0) return true;
  failure.interrupted = interrupted;
  if (status == LUA_ERRMEM) failure.message = "out of memory in the Lua heap";
  if (status == LUA_ERRERR) failure.message = "error while reporting an error";
  lua_pop(L, 1);
  return false;
}

std::string find_recipe(const Host& host, const std::string& name) {
  if (path_exists(name) && !is_folder(name)) return name;
  std::string folder = host.options().root + "/recipes";
  for (const std::string& candidate :
       {folder + "/" + name + ".lua", folder + "/" + name, name + ".lua"}) {
    if (path_exists(candidate) && !is_folder(candidate)) return candidate;
  }
  // `rmkv recipes/pretrain.lua` from another folder.
  std::string in_root = host.options().root + "/" + name;
  if (path_exists(in_root) && !is_folder(in_root)) return in_root;
  std::vector<std::string> names;
  if (is_folder(folder)) {
    for (const std::string& entry : list_folder(folder)) {
      if (entry.size() > 4 && entry.ends_with(".lua"))
        names.push_back(entry.substr(0, entry.size() - 4));
    }
  }
  std::string stem = fs::path(name).stem().string();
  const std::string near = nearest_name(stem, names);
  std::string known;
  for (const std::string& known_name : names) known += (known.empty() ? "" : ", ") + known_name;
  fail_because(name,
               "no such file, and no recipe of that name" +
                   (near.empty() ? "" : "; did you mean '" + near + "'?"),
               "recipes are: " + known);
}

namespace {

// Called at the end of a main chunk: copies the caller's local variables into the table in the
// upvalue.
int keep_locals(lua_State* L) {
  lua_Debug info;
  if (!lua_getstack(L, 1, &info)) return 0;
  for (int i = 1;; ++i) {
    const char* name = lua_getlocal(L, &info, i);
    if (!name) break;
    if (name[0] == '(')
      lua_pop(L, 1);
    else
      lua_setfield(L, lua_upvalueindex(1), name);
  }
  return 0;
}

}  // namespace

bool run_file(Host& host, const std::string& path, Failure& failure, int locals) {
  lua_State* L = host.state();
  if (locals != LUA_NOREF) {
    // The chunk is loaded once more with a call at its end; when it ends in `return` that does not
    // parse, and the plain form runs.
    std::string text = read_file(path, 64u << 20);
    if (text.rfind("#!", 0) == 0) text.replace(0, 2, "--");
    std::string name = "@" + chunk_name(host.options(), path);
    text += "\n;__keep_locals__()";
    if (luaL_loadbuffer(L, text.data(), text.size(), name.c_str()) == 0) {
      lua_rawgeti(L, LUA_REGISTRYINDEX, locals);
      lua_pushcclosure(L, keep_locals, 1);
      lua_pushvalue(L, LUA_GLOBALSINDEX);
      lua_pushliteral(L, "__keep_locals__");
      lua_pushvalue(L, -3);
      lua_rawset(L, -3);
      lua_pop(L, 2);
      bool ended = protected_call(host, 0, 0, failure);
      lua_pushvalue(L, LUA_GLOBALSINDEX);
      lua_pushliteral(L, "__keep_locals__");
      lua_pushnil(L);
      lua_rawset(L, -3);
      lua_pop(L, 1);
      return ended;
    }
    lua_pop(L, 1);
  }
  if (!load_file(L, host.options(), path)) {
    failure.message = lua_tostring(L, -1);
    lua_pop(L, 1);
    return false;
  }
  return protected_call(host, 0, 0, failure);
}

bool run_text(Host& host, const std::string& text, const std::string& chunk, Failure& failure) {
  lua_State* L = host.state();
  if (!text.empty() && text[0] == LUA_SIGNATURE[0]) {
    failure.message = chunk.substr(1) + ": got Lua bytecode, expected Lua text";
    return false;
  }
  if (luaL_loadbuffer(L, text.data(), text.size(), chunk.c_str()) != 0) {
    failure.message = lua_tostring(L, -1);
    lua_pop(L, 1);
    return false;
  }
  return protected_call(host, 0, 0, failure);
}

}  // namespace rmkv::lua
