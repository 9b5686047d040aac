// safetensors as memory-mapped weights: one file, or shards with an index.
#include <filesystem>
#include <set>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/stored_weights.h"
#include "core/tensor/safetensors_header.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaxIndexBytes = 100'000'000;

WeightTensor weight_from(const SafetensorsEntry& entry, const uint8_t* data, const ByteOwner& owner,
                         const std::string& where) {
  if (entry.dtype == at::kDouble) {
    Tensor values = at::empty(entry.shape, at::kDouble);
    if (entry.end > entry.begin) {
      std::memcpy(values.mutable_data_ptr(), data + entry.begin, entry.end - entry.begin);
    }
    return weight_of(values);
  }
  WeightTensor weight;
  weight.shape = entry.shape;
  weight.data = data + entry.begin;
  weight.owner = owner;
  if (entry.dtype == at::kHalf) {
    weight.type = WeightType::F16;
  } else if (entry.dtype == at::kBFloat16) {
    weight.type = WeightType::BF16;
  } else if (entry.dtype != at::kFloat) {
    fail(where, dtype_name(entry.dtype), "F32, F16, BF16 or F64");
  }
  return weight;
}

// A shard is named by the index: it must be a plain name in the same folder.
std::string shard_path(const std::string& index_path, const Value& value) {
  const std::string& name = value.as_string();
  if (name.empty() || name.find('/') != std::string::npos || name == "..") {
    fail(index_path, "a shard named '" + name + "'", "the name of a file beside the index");
  }
  return (fs::path(index_path).parent_path() / name).string();
}

}  // namespace

StoredWeights parse_safetensors_weights(std::string_view bytes, const ByteOwner& owner,
                                        const std::string& name) {
  const SafetensorsHeader header = parse_safetensors_header(bytes, name);
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data()) + header.data_begin;
  StoredWeights stored;
  stored.format = "safetensors";
  for (const auto& [key, text] : header.metadata) stored.metadata[key] = text;
  for (const SafetensorsEntry& entry : header.entries) {
    stored.weights[entry.name] =
        weight_from(entry, data, owner, name + ": tensor '" + entry.name + "'");
  }
  return stored;
}

StoredWeights read_sharded_safetensors(const std::string& index_path) {
  const Value index = parse_json(read_file(index_path, kMaxIndexBytes), index_path);
  const Value* places = index.is_table() ? find(index.as_table(), "weight_map") : nullptr;
  if (!places || !places->is_table()) fail(index_path, "no weight_map", "a table of tensor = file");
  std::set<std::string> paths;
  for (const auto& entry : places->as_table()) paths.insert(shard_path(index_path, entry.second));
  StoredWeights all;
  all.format = "safetensors";
  for (const std::string& path : paths) {
    auto file = std::make_shared<const MappedFile>(path);
    StoredWeights shard = parse_safetensors_weights(file->bytes(), file, path);
    for (auto& [key, weight] : shard.weights) {
      const Value* place = find(places->as_table(), key);
      if (!place || shard_path(index_path, *place) != path) {
        fail(path, "tensor '" + key + "'",
             place ? "it in " + place->as_string() : "one of the index");
      }
      all.weights[key] = std::move(weight);
    }
    for (auto& [key, value] : shard.metadata) all.metadata[key] = std::move(value);
  }
  for (const auto& [key, place] : places->as_table()) {
    if (!all.weights.count(key)) {
      fail(shard_path(index_path, place), "no tensor '" + key + "'", "it, as the index says");
    }
  }
  return all;
}

}  // namespace rmkv
