// Bytes of ggmf, GGUF and safetensors files put together by hand, and the tensors of official
// models laid out as other programs lay them out: what the readers must undo.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/checkpoint/weight_file.h"
#include "core/models/rwkv/rwkv_config.h"
#include "core/tensor/torch.h"
#include "tests/checkpoint/pt_bytes.h"

namespace rmkv::test {

using Tensors = std::vector<std::pair<std::string, Tensor>>;  // in the order of the file

inline std::string tensor_bytes(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  return {static_cast<const char*>(flat.const_data_ptr()), flat.nbytes()};
}

// --- PyTorch ---
// torch.save of a state dictionary with these weights, all fp32: the pickle, and the archive around
// it.
inline std::pair<std::string, std::string> pth_file(const WeightFile& file) {
  std::vector<std::pair<std::string, std::string>> entries;
  std::vector<std::string> storages;
  for (const auto& [name, weight] : file.weights) {
    std::vector<int64_t> strides(weight.shape.size(), 1);
    for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * weight.shape[i];
    entries.emplace_back(
        name, tensor(storage("FloatStorage", std::to_string(storages.size()), weight.count()), 0,
                     weight.shape, strides));
    storages.emplace_back(reinterpret_cast<const char*>(weight.data), weight.size_bytes());
  }
  const std::string body = dictionary(entries);
  return {stream(body), pt_file(body, storages)};
}

// --- ggmf ---
inline std::string ggmf_header(int64_t version, int64_t vocabulary, int64_t channels,
                               int64_t layers, int64_t type) {
  return little(0x67676d66, 4) + little(static_cast<uint64_t>(version), 4) +
         little(static_cast<uint64_t>(vocabulary), 4) + little(static_cast<uint64_t>(channels), 4) +
         little(static_cast<uint64_t>(layers), 4) + little(static_cast<uint64_t>(type), 4);
}
inline std::string ggmf_record(const std::string& name, const std::vector<int64_t>& shape,
                               int64_t type, const std::string& data) {
  std::string bytes =
      little(shape.size(), 4) + little(name.size(), 4) + little(static_cast<uint64_t>(type), 4);
  for (size_t i = shape.size(); i-- > 0;) bytes += little(static_cast<uint64_t>(shape[i]), 4);
  return bytes + name + data;
}
inline std::string ggmf_file(const Tensors& tensors, int64_t layers) {
  const Tensor& embedding = tensors.at(0).second;
  std::string bytes = ggmf_header(101, embedding.size(0), embedding.size(1), layers, 0);
  for (const auto& [name, tensor] : tensors) {
    const bool half = tensor.scalar_type() == at::kHalf;
    bytes += ggmf_record(name, tensor.sizes().vec(), half ? 1 : 0, tensor_bytes(tensor));
  }
  return bytes;
}

// --- GGUF ---
inline std::string gguf_text(const std::string& text) {
  return little(text.size(), 8) + text;
}
inline std::string gguf_pair(const std::string& key, uint32_t type, const std::string& value) {
  return gguf_text(key) + little(type, 4) + value;
}
inline std::string gguf_info(const std::string& name, const std::vector<int64_t>& shape,
                             uint32_t type, uint64_t offset) {
  std::string bytes = gguf_text(name) + little(shape.size(), 4);
  for (size_t i = shape.size(); i-- > 0;) bytes += little(static_cast<uint64_t>(shape[i]), 8);
  return bytes + little(type, 4) + little(offset, 8);
}
inline std::string padded(std::string bytes, size_t step = 32) {
  bytes.append((step - bytes.size() % step) % step, '\0');
  return bytes;
}
inline std::string gguf_file(const std::vector<std::string>& pairs, const Tensors& tensors) {
  std::string head = "GGUF" + little(3, 4) + little(tensors.size(), 8) + little(pairs.size(), 8);
  for (const std::string& pair : pairs) head += pair;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const bool half = tensor.scalar_type() == at::kHalf;
    head += gguf_info(name, tensor.sizes().vec(), half ? 1 : 0, data.size());
    data = padded(data + tensor_bytes(tensor));
  }
  return padded(head) + data;
}

// --- official tensors of a configuration, all different ---
inline Tensors official_tensors(const RwkvConfig& config, uint64_t seed) {
  at::manual_seed(seed);
  Tensors tensors;
  for (const RwkvParameter& parameter : rwkv_parameters(config)) {
    tensors.emplace_back(parameter.name, at::randn(parameter.shape) * 0.5);
  }
  return tensors;
}

// Renames and changes each tensor: `change` gives the name and value in the other program's file,
// an empty name for what it leaves out.
using Change = std::function<std::pair<std::string, Tensor>(const std::string&, const Tensor&)>;
inline Tensors changed(const Tensors& tensors, const Change& change) {
  Tensors result;
  for (const auto& [name, tensor] : tensors) {
    auto [other, value] = change(name, tensor);
    if (!other.empty()) result.emplace_back(other, value.contiguous());
  }
  return result;
}

inline std::string last_part(const std::string& name) {
  return name.substr(name.rfind('.') + 1);
}
// "blocks.3.att.key.weight" -> "blocks.3.", "att.key.weight"
inline std::pair<std::string, std::string> split_block(const std::string& name) {
  if (name.rfind("blocks.", 0) != 0) return {"", name};
  const size_t dot = name.find('.', 7);
  return {name.substr(0, dot + 1), name.substr(dot + 1)};
}
inline bool is_low_rank(const std::string& name) {
  const std::string end = last_part(name);
  return (end.size() == 2 && (end[1] == '1' || end[1] == '2') && name.find(".ln") > name.size()) ||
         end == "time_maa_w1" || end == "time_maa_w2" || end == "time_decay_w1" ||
         end == "time_decay_w2";
}

}  // namespace rmkv::test
