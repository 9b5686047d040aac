// The prompt: reads lines, evaluates them, shows results, keeps going after failures.
#pragma once

#include <string>

#include "bindings/host.h"
#include "bindings/runner.h"

namespace rmkv::lua {

class Prompt {
 public:
  explicit Prompt(Host& host);

  // The table (a registry reference) that the prompt's variables live in.
  int environment() const { return environment_; }
  // Runs until the end of input; `failure` is what a recipe run before it failed with, or null.
  // Returns the exit status of the program.
  int run(const Failure* failure);

 private:
  bool evaluate(const std::string& text);

  Host& host_;
  int environment_;
  int lines_ = 0;
};

}  // namespace rmkv::lua
