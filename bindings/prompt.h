// The prompt: reads lines, evaluates them, shows results, keeps going after failures.
//
// A line is tried as an expression first.  Names assigned at the prompt are its own variables (they
// need no `local`, which would die with its line); after `rmkv -i recipe.lua` they include the
// recipe's locals.  Objects that a line makes and does not keep are released at its end.
#pragma once

#include <string>

#include "bindings/host.h"
#include "bindings/runner.h"

namespace rmkv::lua {

class LineReader;

class Prompt {
 public:
  explicit Prompt(Host& host);

  // The table (a registry reference) that the prompt's variables live in.
  int environment() const { return environment_; }
  // Runs until the end of input; `failure` is what a recipe run before it failed with, or null.
  // Returns the exit status of the program.
  int run(const Failure* failure);

 private:
  // What a piece of text turned out to be.
  enum class Kind { kCode, kIncomplete, kBroken };
  // Pushes the compiled chunk, or an error message.
  Kind compile(const std::string& text);
  void evaluate();
  void show_results(int first);
  // ":where" and its like; false for :quit.
  bool command(const std::string& line);
  void show_locals(size_t level);

  Host& host_;
  int environment_;
  int lines_ = 0;
  bool failed_ = false;  // the last line of a piped input failed
  Failure failure_;      // the last one, for :where and :locals
  size_t level_ = 0;     // of its trace, moved by :up and :down
};

}  // namespace rmkv::lua
