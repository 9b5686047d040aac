// The synthetic golden models of the RWKV report (rwkv-family.md, section 4.6): every weight a hash
// of its place, exact in fp32, fp16 and bf16, so that logits can be pinned without files.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/models/rwkv/rwkv_config.h"
#include "core/tensor/torch.h"
#include "core/tensor/weight_map.h"

namespace rmkv::test {

inline RwkvConfig synthetic_rwkv_config(int64_t version, int64_t minor = 2) {
  Table table{{"architecture", "rwkv" + std::to_string(version)},
              {"vocabulary", 48},
              {"channels", 64},
              {"layers", 3},
              {"ffn_hidden", version == 5 || version == 6 ? 224 : 256}};
  if (version == 5) table["minor"] = "5." + std::to_string(minor);
  if (version > 4) table["head_size"] = 32;
  if (version == 6) table["mix_rank"] = 8;
  if (version == 6) table["decay_rank"] = 16;
  if (version == 7) {
    for (const char* name : {"decay_rank", "rate_rank", "value_rank"}) table[name] = 8;
    table["gate_rank"] = 16;
  }
  return RwkvConfig::from_table(table);
}

inline uint32_t murmur_finaliser(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  return x ^ (x >> 16);
}

inline float synthetic_rwkv_value(const std::string& name, bool matrix, uint32_t hash) {
  const auto wide = static_cast<float>(static_cast<int>(hash >> 24) - 128);
  const auto narrow = static_cast<float>(static_cast<int>(hash >> 28) - 8);
  const std::string last = name.substr(name.rfind('.') + 1);
  const std::string leaf =
      last == "weight" || last == "bias" ? name.substr(0, name.rfind('.')) : last;
  const std::string part = leaf.substr(leaf.rfind('.') + 1);
  const auto one_of = [](const std::string& x, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return x == n; });
  };
  if (part.rfind("ln", 0) == 0) return last == "weight" ? 1 + narrow / 32 : wide / 1024;
  if (one_of(part, {"k_k", "k_a"})) return 1 + narrow / 16;
  if (one_of(part, {"emb", "time_first", "time_faaaa", "a0", "v0"})) return wide / 128;
  if (name.find("ffn.value") != std::string::npos) return wide / 1024;
  if (one_of(part, {"w2", "a2", "v2"})) return wide / 256;
  if (one_of(part, {"time_decay", "w0"})) return wide / 64 - 1;
  if (one_of(part, {"r_k"}) || matrix) return wide / 512;
  return (wide + 128) / 256;  // shifts
}

inline WeightMap synthetic_rwkv_weights(const RwkvConfig& config) {
  std::vector<RwkvParameter> parameters = rwkv_parameters(config);
  std::sort(parameters.begin(), parameters.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  WeightMap weights;
  for (size_t position = 0; position < parameters.size(); ++position) {
    const RwkvParameter& parameter = parameters[position];
    Tensor values = at::empty(parameter.shape, at::kFloat);
    float* to = values.mutable_data_ptr<float>();
    for (int64_t j = 0; j < values.numel(); ++j) {
      const uint32_t seed = 0x9E3779B9u * (static_cast<uint32_t>(position) + 1);
      const uint32_t hash = murmur_finaliser(static_cast<uint32_t>(j) + seed);
      to[j] = synthetic_rwkv_value(parameter.name, parameter.shape.size() > 1, hash);
    }
    weights[parameter.name] = weight_of(values);
  }
  return weights;
}

// t_i = (7 i + 3) mod 48, i = 0 .. 23.
inline Tensor synthetic_rwkv_tokens() {
  return at::arange(24, at::kLong).mul(7).add(3).remainder(48).view({1, 24});
}

}  // namespace rmkv::test
