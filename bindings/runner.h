// Runs Lua code from a file, a string or standard input and reports how it ended.
#pragma once

#include <string>
#include <vector>

#include "bindings/host.h"

namespace rmkv::lua {

// A local variable of a failed function, as text.
struct LocalVariable {
  std::string name;
  std::string text;
};

// One line of Lua code on the way to an error.
struct TraceLine {
  std::string place;     // "recipes/pretrain.lua:12"
  std::string function;  // "in function 'open'"
  std::vector<LocalVariable> locals;
};

struct Failure {
  std::string message;  // opens with its place
  std::vector<TraceLine> trace;
  bool interrupted = false;
  // The message is for whoever typed the command (error(text, 0), UsageError): the recipe's lines
  // would say nothing to them.
  bool usage = false;
  // "message\n  at place in function f", host frames left out; of usage the message alone.
  std::string text() const;
};

// Calls the function below `argument_count` values on the stack.  False with `failure` filled when
// it raised; then nothing is left on the stack.  A pending interruption has been cleared.
bool protected_call(Host& host, int argument_count, int result_count, Failure& failure);

// A recipe by path or by name ("pretrain" is recipes/pretrain.lua); throws with the nearest name.
std::string find_recipe(const Host& host, const std::string& name);
// Loads a recipe and runs it; local variables of its main chunk go to the table `locals` (a
// registry reference) when it is not LUA_NOREF.
bool run_file(Host& host, const std::string& path, Failure& failure, int locals = LUA_NOREF);
bool run_text(Host& host, const std::string& text, const std::string& chunk, Failure& failure);

}  // namespace rmkv::lua
