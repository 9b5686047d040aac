// The readers of model files: each gives the tensors as they lie in the file, memory-mapped.
//
// Names, shapes and values are the file's own; what they mean is rwkv_names.h.  Every reader checks
// the whole structure (sizes, counts, ranges, names) before it makes anything, and refuses by file
// and tensor name.  `owner` keeps `bytes` alive; `name` opens every message.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/value.h"
#include "core/tensor/weight_map.h"

namespace rmkv {

struct StoredWeights {
  std::string format;  // "safetensors", "pth", "ggmf" or "gguf"
  WeightMap weights;
  Table metadata;  // what the file says beside them: its header fields, strings, numbers
};

using ByteOwner = std::shared_ptr<const void>;

// safetensors_weights.cpp; other dtypes than fp32, fp16, bf16 and fp64 are refused.
StoredWeights parse_safetensors_weights(std::string_view bytes, const ByteOwner& owner,
                                        const std::string& name);
// A model.safetensors.index.json with the shards beside it.
StoredWeights read_sharded_safetensors(const std::string& index_path);
// torch.save's zip of a pickle (pt_reader.h).  Storages may be shared, tensors may be views of any
// strides.  Reading every storage's CRC-32 costs a pass over the file; `check_crc` chooses.
StoredWeights parse_pth_weights(std::string_view bytes, const ByteOwner& owner,
                                const std::string& name, bool check_crc = true);
// rwkv.cpp, versions 100 and 101.
StoredWeights parse_ggmf_weights(std::string_view bytes, const ByteOwner& owner,
                                 const std::string& name);
// llama.cpp, versions 2 and 3, little endian.
StoredWeights parse_gguf_weights(std::string_view bytes, const ByteOwner& owner,
                                 const std::string& name);

// Tells the formats apart by their first bytes; "" for none of them.
std::string detect_weight_format(std::string_view bytes);
StoredWeights parse_stored_weights(std::string_view bytes, const ByteOwner& owner,
                                   const std::string& name);
// A file, or a folder with model.safetensors, its index or a single model file in it.  Metadata of
// a config.json beside it is under "config".
StoredWeights read_stored_weights(const std::string& path);

}  // namespace rmkv
