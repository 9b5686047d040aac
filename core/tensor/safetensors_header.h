// The header of a safetensors file: what lies where, checked before anything is allocated.
//
// Not here: tensors of their own memory (safetensors.h), memory-mapped weights
// (core/checkpoint/stored_weights.h).  Format: huggingface/safetensors, README "Format".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv {

struct SafetensorsEntry {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin, end;  // bytes from the start of the data
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of their data, without hole or overlap
  std::map<std::string, std::string> metadata;  // the "__metadata__" strings
  uint64_t data_begin;                          // bytes from the start of the file
};

// `bytes` is the whole file; `name` opens every message.
SafetensorsHeader parse_safetensors_header(std::string_view bytes, const std::string& name);

// "F32"; throws for what the format does not know.
const char* safetensors_dtype(at::ScalarType dtype, const std::string& where);
// Length field and padded header text, for tensors in the order of their data, packed.
std::string safetensors_header_text(const std::vector<SafetensorsEntry>& entries,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace rmkv
