// safetensors files: a JSON header with dtype, shape and byte range of each tensor, then raw
// little-endian data.
//
// Format: 8 bytes header length (uint64), header, data; the ranges tile the data without holes or
// overlap.  Reading refuses hostile sizes before anything is allocated (header over 100 MB, ranges
// outside the file, sizes that overflow, shape and range that disagree, duplicate names).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/tensor/tensor.h"

namespace rmkv {

struct SafetensorsFile {
  std::map<std::string, Tensor> tensors;        // CPU
  std::map<std::string, std::string> metadata;  // the "__metadata__" strings
};

// `name` opens every message.  The tensors have memory of their own; with `owner`, which keeps
// `bytes` alive, they lie in `bytes` where their alignment allows: for reading only.
SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name,
                                  const std::shared_ptr<const void>& owner = nullptr);
SafetensorsFile read_safetensors(const std::string& path);
// Tensors are written contiguous, widest elements first, then in name order; any device; atomic
// (core/base/file.h). Returns the file's content hash.
std::string write_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace rmkv
