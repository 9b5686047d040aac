// What lua_batch.cpp adds to the module rmkv.data.
#pragma once

#include <vector>

#include "bindings/descriptor.h"

namespace rmkv::lua {

// rmkv.data.batch and the fields and methods of Batch.
std::vector<Function> batch_functions();

}  // namespace rmkv::lua
