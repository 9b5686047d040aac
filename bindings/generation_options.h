// The option tables of sampling and generation: their keys, as help and checks show them, and how
// they are read.
//
// Not the sampler itself (core/sample/sampler.h), and no Lua functions (lua_sample.cpp).
#pragma once

#include <optional>
#include <vector>

#include "bindings/descriptor.h"
#include "core/base/value.h"
#include "core/sample/session.h"

namespace rmkv::lua {

// The keys of a sampler, as in core/sample/sampler_options.h.
std::vector<Field> sampler_fields();

// The keys of one generation, and the sampler's.
std::vector<Field> generate_fields();

// Takes a key out of a table that is closed elsewhere.
std::optional<Value> take_key(Table& table, const char* key);

// Reads a table of generate_fields(): the sampler's keys are set in `session` and stay set.
GenerateOptions begin_options(Session& session, Table options);

}  // namespace rmkv::lua
