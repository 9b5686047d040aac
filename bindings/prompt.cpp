// The read-evaluate-print loop.
#include "bindings/prompt.h"

#include <cstdio>
#include <iostream>

#include "bindings/inspect.h"

namespace rmkv::lua {

Prompt::Prompt(Host& host) : host_(host) {
  lua_State* L = host_.state();
  lua_newtable(L);
  environment_ = luaL_ref(L, LUA_REGISTRYINDEX);
}

bool Prompt::evaluate(const std::string& text) {
  Failure failure;
  if (run_text(host_, text, "=repl:" + std::to_string(++lines_), failure)) return true;
  std::fprintf(stderr, "%s\n", failure.text().c_str());
  return false;
}

int Prompt::run(const Failure*) {
  std::string line;
  while (std::getline(std::cin, line)) evaluate(line);
  return 0;
}

}  // namespace rmkv::lua
