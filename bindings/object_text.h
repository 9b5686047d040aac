// Text of the object behind a handle, for the prompt, tostring() and error traces.
#pragma once

#include <string>

#include "bindings/handle.h"

namespace rmkv::lua {

// One line; with `full`, a tensor adds its values' facts and a few corners.
std::string object_text(const Handle& handle, bool full);

}  // namespace rmkv::lua
