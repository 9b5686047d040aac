// What could stand at the cursor of the prompt: fields, methods, option keys, recipes' locals.
#pragma once

#include <lua.hpp>

#include <string>
#include <vector>

namespace rmkv::lua {

struct Completion {
  size_t start = 0;                // where the word to be replaced begins
  std::vector<std::string> words;  // sorted, whole words
};

// Candidates for the end of `line`.  `environment` is the stack index of the prompt's table.  Looks
// with raw access only: completing never runs code.
Completion complete(lua_State* L, int environment, const std::string& line);

// The longest beginning that all words share.
std::string common_prefix(const std::vector<std::string>& words);

}  // namespace rmkv::lua
