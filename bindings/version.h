// The version of rmkv and of its Lua API.
#pragma once

namespace rmkv::lua {

inline constexpr const char kVersion[] = "0.1.0";

}  // namespace rmkv::lua
