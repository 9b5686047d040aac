// The modules of the program, one function each, defined in lua_<module>.cpp.
#pragma once

#include <deque>

#include "bindings/descriptor.h"

namespace rmkv::lua {

Module host_module();    // rmkv: scope, mem, help, interruption
Module random_module();  // rmkv.random
Module json_module();    // rmkv.json
Module toml_module();    // rmkv.toml
Module system_module();  // rmkv.system
Module tensor_module();  // rmkv.tensor

std::deque<Module> make_modules();

}  // namespace rmkv::lua
