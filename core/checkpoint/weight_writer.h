// Writes RWKV model files for other programs and for this one.
//
// Not here: checkpoints of a run (checkpoint.h).  Every file is written beside its target and
// renamed onto it at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/checkpoint/weight_file.h"

namespace rmkv {

// Key of the safetensors metadata under which this program keeps a model's configuration, as JSON.
inline constexpr char kConfigMetadata[] = "rmkv.config";

struct WriteOptions {
  std::string format = "safetensors";  // or "ggmf"
  // Of the matrices; vectors and per-head values keep theirs (at least fp32 in ggmf).
  // Nothing: as they are in the source where the format has that type, else fp32.
  std::optional<WeightType> type;
  uint64_t shard_bytes = 5'000'000'000;  // safetensors: files of at most about this size
  // Called with the bytes written and the bytes to write.
  std::function<void(uint64_t, uint64_t)> progress;
};

// Returns the paths written: one file; of a larger safetensors model
// NAME-00001-of-0000N.safetensors and so on, and last NAME.safetensors.index.json.
//   safetensors: official names, shapes without ones, the configuration in the metadata
//   ggmf: version 101, rwkv.cpp's layout, precomputed values and order; FP32, FP16 and its blocks
// Throws for what a format cannot hold (version 5.1 and biases in ggmf, ...).
std::vector<std::string> write_weight_file(const std::string& path, const WeightFile& file,
                                           const WriteOptions& options);
// Names of the formats.
const std::vector<std::string>& weight_file_formats();

// --- shared by the writers of the formats ---
// Whether `type` of the options is meant for this tensor: a matrix, no vector or per-head value.
bool is_matrix(const std::string& name, const WeightTensor& weight);
void write_safetensors_weights(const std::string& path, const WeightFile& file,
                               const WriteOptions& options, std::vector<std::string>& paths);
void write_ggmf_weights(const std::string& path, const WeightFile& file,
                        const WriteOptions& options);

}  // namespace rmkv
