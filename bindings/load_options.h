// The options of loading a model, shared by rmkv.model.load and rmkv.checkpoint.load_model.
#pragma once

#include <string>

#include "bindings/descriptor.h"
#include "core/checkpoint/model_loader.h"

namespace rmkv::lua {

// { weights = "q8_0", threads = 2, device = "cpu", dtype = "fp32" }; `where` opens messages.
LoadOptions load_options(const Table& options, const std::string& where);
Field load_options_field();

}  // namespace rmkv::lua
