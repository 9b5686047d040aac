// What the parts of the module rmkv.data add to it; lua_data.cpp puts them together.
#pragma once

#include <vector>

#include "bindings/descriptor.h"

namespace rmkv::lua {

// Methods of Source: lua_source_class.cpp.
std::vector<Function> source_functions();
// rmkv.data.stream, rmkv.data.evaluation and what their objects can do: lua_stream.cpp.
std::vector<Function> stream_functions();

}  // namespace rmkv::lua
