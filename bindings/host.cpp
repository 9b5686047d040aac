// Builds a Lua state: libraries, modules, strict globals, the way files are found and named.
#include "bindings/host.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <new>

#include "bindings/bind.h"
#include "bindings/version.h"
#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv::lua {

namespace fs = std::filesystem;

namespace {

char g_host_key;

std::vector<std::string> string_keys(lua_State* L, int table) {
  std::vector<std::string> names;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) names.push_back(lua_tostring(L, -1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

int raise(lua_State* L, const std::string& message) {
  // Level 1: the Lua code whose access ended here.
  std::string place = lua_place(L, 1);
  lua_pushstring(L, ((place.empty() ? "" : place + ": ") + message).c_str());
  return 1;
}

// __index of _G: reading an undeclared global.
int undefined_global(lua_State* L) {
  {
    std::string name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : describe(L, 2);
    raise(L, unknown_name_text("global", name, string_keys(L, 1)).substr(0, 400));
  }
  return lua_error(L);
}

int assigned_global(lua_State* L) {
  {
    raise(L, "global '" + std::string(lua_tostring(L, 2)) +
                 "' is not declared; write 'local' in front of it");
  }
  return lua_error(L);
}

// __index of rmkv and its modules.
int unknown_member(lua_State* L) {
  {
    std::string name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : describe(L, 2);
    raise(L, std::string(lua_tostring(L, lua_upvalueindex(1))) + ": " +
                 unknown_name_text("name", name, string_keys(L, 1)));
  }
  return lua_error(L);
}

void close_table(lua_State* L, const std::string& name) {
  lua_newtable(L);
  lua_pushstring(L, name.c_str());
  lua_pushcclosure(L, unknown_member, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}

void register_modules(lua_State* L, Host& host) {
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setglobal(L, "rmkv");
  for (const Module& module : all_modules()) {
    bool top = module.name == "rmkv";
    if (top)
      lua_pushvalue(L, -1);
    else
      lua_newtable(L);
    for (const Function& function : module.functions) {
      if (!method_class(function).empty()) continue;
      push_function(L, host, function);
      lua_setfield(L, -2, short_name(function.name).c_str());
    }
    for (const Class* type : module.classes) register_class(L, host, *type);
    if (top) {
      lua_pop(L, 1);
    } else {
      close_table(L, module.name);
      lua_setfield(L, -2, short_name(module.name).c_str());
    }
  }
  lua_pushstring(L, kVersion);
  lua_setfield(L, -2, "version");
  lua_pushstring(L, host.options().root.c_str());
  lua_setfield(L, -2, "root");
  lua_getfield(L, -1, "help");
  lua_setglobal(L, "help");
  close_table(L, "rmkv");
  lua_pop(L, 1);
}

// A module loader that names chunks like load_file does; replaces Lua's own searcher of
// package.path.
int search_module(lua_State* L) {
  const HostOptions& options = Host::of(L).options();
  std::string found;
  bool failed = false;
  {
    std::string name = luaL_checkstring(L, 1);
    std::replace(name.begin(), name.end(), '.', '/');
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    std::string templates = lua_isstring(L, -1) ? lua_tostring(L, -1) : "";
    std::string tried;
    for (size_t start = 0; start < templates.size() && found.empty();) {
      size_t end = std::min(templates.find(';', start), templates.size());
      std::string path = templates.substr(start, end - start);
      start = end + 1;
      for (size_t at; (at = path.find('?')) != std::string::npos;) path.replace(at, 1, name);
      if (path.empty()) continue;
      if (access(path.c_str(), R_OK) == 0)
        found = path;
      else
        tried += "\n\tno file '" + path + "'";
    }
    if (found.empty()) {
      lua_pushstring(L, tried.c_str());
      return 1;
    }
    failed = !load_file(L, options, found);
  }
  return failed ? lua_error(L) : 1;
}

void set_up_package(lua_State* L, const HostOptions& options, const std::string& recipe_folder) {
  std::string path;
  auto add = [&path](const std::string& folder) {
    std::string item = folder + "/?.lua;" + folder + "/?/init.lua;";
    if (path.find(item) == std::string::npos) path += item;
  };
  if (!recipe_folder.empty()) add(recipe_folder);
  if (!options.root.empty()) add(options.root + "/recipes");
  path += "./?.lua";
  lua_getglobal(L, "package");
  lua_pushstring(L, path.c_str());
  lua_setfield(L, -2, "path");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  lua_getfield(L, -1, "loaders");
  lua_pushcfunction(L, search_module);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}

}  // namespace

Host::Host(HostOptions options) : options_(std::move(options)), L_(luaL_newstate()) {
  if (!L_) throw std::bad_alloc();
  lua_pushlightuserdata(L_, &g_host_key);
  lua_pushlightuserdata(L_, this);
  lua_rawset(L_, LUA_REGISTRYINDEX);
  luaL_openlibs(L_);
  // Compiled loops cannot be interrupted (interrupt.h); workers end with their pool instead.
  luaJIT_setmode(L_, 0, LUAJIT_MODE_ENGINE | (options_.worker ? LUAJIT_MODE_ON : LUAJIT_MODE_OFF));
  register_modules(L_, *this);
  set_arguments(options_.arguments, options_.recipe);
  if (options_.strict) {
    lua_pushvalue(L_, LUA_GLOBALSINDEX);
    lua_newtable(L_);
    lua_pushcfunction(L_, undefined_global);
    lua_setfield(L_, -2, "__index");
    lua_pushcfunction(L_, assigned_global);
    lua_setfield(L_, -2, "__newindex");
    lua_setmetatable(L_, -2);
    lua_pop(L_, 1);
  }
}

Host::~Host() {
  lua_close(L_);
}

void Host::set_arguments(std::vector<std::string> arguments, const std::string& recipe) {
  options_.arguments = std::move(arguments);
  options_.recipe = recipe;
  std::string folder = recipe.empty() ? "" : fs::absolute(recipe).parent_path().string();
  set_up_package(L_, options_, folder);
  lua_newtable(L_);
  for (size_t i = 0; i < options_.arguments.size(); ++i) {
    lua_pushstring(L_, options_.arguments[i].c_str());
    lua_rawseti(L_, -2, static_cast<int>(i + 1));
  }
  lua_pushstring(L_, recipe.c_str());
  lua_rawseti(L_, -2, 0);
  lua_pushvalue(L_, LUA_GLOBALSINDEX);
  lua_pushliteral(L_, "arg");
  lua_pushvalue(L_, -3);
  lua_rawset(L_, -3);
  lua_pop(L_, 1);
  lua_getglobal(L_, "rmkv");
  lua_pushvalue(L_, -2);
  lua_setfield(L_, -2, "args");
  lua_pushstring(L_, recipe.empty() ? "" : fs::absolute(recipe).lexically_normal().c_str());
  lua_setfield(L_, -2, "recipe");
  lua_pop(L_, 2);
}

Host& Host::of(lua_State* L) {
  lua_pushlightuserdata(L, &g_host_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  auto* host = static_cast<Host*>(lua_touserdata(L, -1));
  lua_pop(L, 1);
  return *host;
}

std::string chunk_name(const HostOptions& options, const std::string& path) {
  std::error_code ignored;
  fs::path whole = fs::weakly_canonical(path, ignored);
  fs::path here = fs::current_path(ignored);
  for (const fs::path& base : {fs::path(options.root), here}) {
    if (base.empty()) continue;
    fs::path relative = whole.lexically_relative(base);
    if (!relative.empty() && *relative.begin() != "..") return relative.string();
  }
  return path;
}

bool load_file(lua_State* L, const HostOptions& options, const std::string& path) {
  std::string text;
  std::string problem;
  try {
    text = read_file(path, 64u << 20);
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (problem.empty() && !text.empty() && text[0] == LUA_SIGNATURE[0]) {
    problem = path + ": got Lua bytecode, expected Lua text";
  }
  if (!problem.empty()) {
    lua_pushlstring(L, problem.data(), problem.size());
    return false;
  }
  Host::of(L).note_loaded(path);
  // A first line for the shell becomes a comment, so that lines keep their numbers.
  if (text.rfind("#!", 0) == 0) text.replace(0, 2, "--");
  return luaL_loadbuffer(L, text.data(), text.size(), ("@" + chunk_name(options, path)).c_str()) ==
         0;
}

std::string find_root() {
  std::error_code failed;
  fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return "";
  fs::path folder = program.parent_path();
  // Installed: <prefix>/bin/rmkv and <prefix>/share/rmkv/recipes.
  fs::path shared = folder.parent_path() / "share" / "rmkv";
  if (fs::is_directory(shared / "recipes", failed)) return shared.string();
  // In a clone: build/bin/rmkv, or any other build folder below it.
  for (fs::path at = folder; at != at.root_path(); at = at.parent_path()) {
    if (fs::is_directory(at / "recipes", failed) && fs::is_directory(at / "bindings", failed))
      return at.string();
  }
  return "";
}

}  // namespace rmkv::lua
