// The host: one Lua state with everything of rmkv in it.
//
// Not here: what the program does with it (runner.h, prompt.h).
#pragma once

#include <lua.hpp>

#include <string>
#include <vector>

#include "bindings/handle.h"

namespace rmkv::lua {

struct HostOptions {
  std::string root;    // folder that holds recipes/ (absolute); "" when there is none
  std::string recipe;  // shown as rmkv.recipe; "" for none
  std::vector<std::string> arguments;  // words after the recipe
  bool strict = true;                  // undeclared globals are errors
  bool worker = false;                 // a data worker: compiled, without handles of the main state
};

class Host {
 public:
  explicit Host(HostOptions options);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  lua_State* state() const { return L_; }
  HandleTable& handles() { return handles_; }
  const HostOptions& options() const { return options_; }
  void set_arguments(std::vector<std::string> arguments, const std::string& recipe);

  // Every Lua file loaded so far, in order.
  const std::vector<std::string>& loaded_files() const { return loaded_files_; }
  void note_loaded(const std::string& path) { loaded_files_.push_back(path); }

  // The host of a state.
  static Host& of(lua_State* L);

 private:
  HostOptions options_;
  HandleTable handles_;  // outlives the state, whose finalisers use it
  lua_State* L_;
  std::vector<std::string> loaded_files_;
};

// "recipes/pretrain.lua" for files of the project, relative to the working folder below it, else
// unchanged.
std::string chunk_name(const HostOptions& options, const std::string& path);
// Loads a file of Lua text (never bytecode) under its project-relative name; false with the message
// pushed.
bool load_file(lua_State* L, const HostOptions& options, const std::string& path);
// The folder that holds recipes/: above the program in a clone, share/rmkv beside it when
// installed; "" if none.
std::string find_root();

}  // namespace rmkv::lua
