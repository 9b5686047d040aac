// An RWKV model file of any format and naming, as a configuration and weights in official names.
//
// What the file leaves open (head size, group norm epsilon) comes from its metadata or from what
// the program that wrote it does.  Not here: formats (stored_weights.h), checkpoints of this
// program (checkpoint.h), models (model_loader.h).
#pragma once

#include <string>

#include "core/checkpoint/stored_weights.h"
#include "core/models/rwkv/rwkv_config.h"

namespace rmkv {

struct WeightFile {
  std::string format;  // "safetensors", "pth", "ggmf" or "gguf"
  std::string names;   // whose names and layout it has: one of kRwkvNaming in rwkv_names.h
  RwkvConfig config;
  // Exactly rwkv_parameters(config) in names and shapes; optional ones may be missing.  Values are
  // those of the official .pth files (time_decay before its exponential).
  WeightMap weights;
  Table metadata;  // the file's own
};

// Whether the names are those of an RWKV model in any naming.
bool is_rwkv(const StoredWeights& stored);
// Throws when a tensor is missing, unknown or misshapen.  `name` opens every message.
WeightFile import_rwkv(StoredWeights stored, const std::string& name);
WeightFile read_weight_file(const std::string& path);

}  // namespace rmkv
