// Checkpoints of the original RMKV program, as a configuration and named parameters of this one
// (memory-model.md, section 7: `commit = "published"`).
//
// The weights tell layers, channels, slots, vocabulary and cell; the number of heads is not in
// them: it is read from the file's own "config" when it has one, else from the .json beside it
// ("num_heads").
#pragma once

#include <map>
#include <string>

#include "core/base/value.h"
#include "core/tensor/tensor.h"

namespace rmkv {

struct ImportedModel {
  Table config;                           // create_model(config)
  std::map<std::string, Tensor> tensors;  // fp32, by the names of that model's ParameterStore
};

// A .pt, .pth or .safetensors file.  Throws Error naming what is missing or misshapen.
ImportedModel import_original(const std::string& path);
bool looks_like_original(const std::map<std::string, Tensor>& tensors);

}  // namespace rmkv
