// The dispatch on the format, and safetensors: one file or shards.
#include "core/checkpoint/weight_writer.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/tensor/safetensors_header.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

at::ScalarType scalar_type(WeightType type) {
  if (type == WeightType::F16) return at::kHalf;
  if (type == WeightType::BF16) return at::kBFloat16;
  return at::kFloat;
}

// What safetensors can hold of a wish.
WeightType stored_type(const std::string& name, const WeightTensor& weight,
                       const WriteOptions& options) {
  const WeightType own = is_quantized(weight.type) ? WeightType::F32 : weight.type;
  return options.type && is_matrix(name, weight) ? *options.type : own;
}

struct Shard {
  std::vector<SafetensorsEntry> entries;
  uint64_t bytes = 0;
};

// Names in order, a new shard where the next tensor would make one too large.  Within a shard the
// widest elements come first, which keeps each tensor aligned to its elements.
std::vector<Shard> plan(const WeightFile& file, const WriteOptions& options) {
  std::vector<Shard> shards(1);
  for (const auto& [name, weight] : file.weights) {
    const WeightType type = stored_type(name, weight, options);
    const uint64_t bytes =
        bytes_of_row(type, weight.columns()) * static_cast<uint64_t>(weight.rows());
    if (shards.back().bytes > 0 && shards.back().bytes + bytes > options.shard_bytes) {
      shards.emplace_back();
    }
    shards.back().entries.push_back({name, scalar_type(type), weight.shape, 0, bytes});
    shards.back().bytes += bytes;
  }
  for (Shard& shard : shards) {
    std::stable_sort(shard.entries.begin(), shard.entries.end(), [](const auto& a, const auto& b) {
      return at::elementSize(a.dtype) > at::elementSize(b.dtype);
    });
    uint64_t place = 0;
    for (SafetensorsEntry& entry : shard.entries) {
      const uint64_t bytes = entry.end;
      entry.begin = place;
      entry.end = place += bytes;
    }
  }
  return shards;
}

void write_shard(const std::string& path, const WeightFile& file, const Shard& shard,
                 const WriteOptions& options, uint64_t& written, uint64_t total) {
  AtomicFile out(path);
  out.write(safetensors_header_text(
      shard.entries,
      {{"format", "pt"}, {kConfigMetadata, write_json(Value(file.config.to_table()))}}));
  for (const SafetensorsEntry& entry : shard.entries) {
    const WeightTensor& weight = file.weights.at(entry.name);
    const WeightTensor stored = converted(weight, stored_type(entry.name, weight, options));
    out.write({reinterpret_cast<const char*>(stored.data), stored.size_bytes()});
    written += stored.size_bytes();
    if (options.progress) options.progress(written, total);
  }
  out.commit();
}

std::string padded(size_t number) {
  const std::string digits = std::to_string(number);
  return std::string(5 - std::min<size_t>(5, digits.size()), '0') + digits;
}

}  // namespace

bool is_matrix(const std::string& name, const WeightTensor& weight) {
  if (weight.shape.size() < 2) return false;
  for (const char* end : {".r_k", ".time_faaaa", ".time_decay", ".time_state"}) {
    if (ends_with(name, end)) return false;
  }
  return true;
}

void write_safetensors_weights(const std::string& path, const WeightFile& file,
                               const WriteOptions& options, std::vector<std::string>& paths) {
  if (options.type && is_quantized(*options.type)) {
    fail("safetensors", weight_type_name(*options.type), "fp32, fp16 or bf16",
         "quantised weights go into ggmf files");
  }
  const std::vector<Shard> shards = plan(file, options);
  uint64_t total = 0, written = 0;
  for (const Shard& shard : shards) total += shard.bytes;
  if (shards.size() == 1) {
    write_shard(path, file, shards[0], options, written, total);
    paths.push_back(path);
    return;
  }
  const std::string end = ".safetensors";
  const std::string stem = ends_with(path, end) ? path.substr(0, path.size() - end.size()) : path;
  Table places;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string shard_path =
        stem + "-" + padded(i + 1) + "-of-" + padded(shards.size()) + end;
    write_shard(shard_path, file, shards[i], options, written, total);
    paths.push_back(shard_path);
    const std::string name = shard_path.substr(shard_path.rfind('/') + 1);
    for (const SafetensorsEntry& entry : shards[i].entries) places[entry.name] = name;
  }
  // Last: a reader that finds the index finds all shards.
  paths.push_back(stem + end + ".index.json");
  write_file_atomic(
      paths.back(),
      write_json(Value(Table{{"metadata", Table{{"total_size", total}}}, {"weight_map", places}}),
                 2) +
          "\n");
}

const std::vector<std::string>& weight_file_formats() {
  static const std::vector<std::string> names = {"safetensors", "ggmf"};
  return names;
}

std::vector<std::string> write_weight_file(const std::string& path, const WeightFile& file,
                                           const WriteOptions& options) {
  std::vector<std::string> paths;
  if (options.format == "safetensors") {
    write_safetensors_weights(path, file, options, paths);
  } else if (options.format == "ggmf") {
    write_ggmf_weights(path, file, options);
    paths.push_back(path);
  } else {
    fail_because("format", unknown_name_text("format", options.format, weight_file_formats()));
  }
  return paths;
}

}  // namespace rmkv
