// One layer as TokenStep sees it; included by its two source files only.
#pragma once

#include <string>
#include <vector>

#include "core/models/rmkv/token_step.h"

namespace rmkv {

// Outputs that matrix_vector takes together: shares of rows are multiples of it.
inline constexpr int64_t kTokenUnit = 16;

// The weights of a layer and where its part of the state lies; null where there is no such part.
struct TokenStep::Layer {
  const RmkvLayer* source;
  int64_t before = 0, slots = 0;  // rows of the cache before the tokens; memory rows among them
  const float *norm, *shift, *qkv, *qkv_bias, *query_norm, *key_norm, *out, *read_gate;
  const float *ffn_norm, *ffn_shift, *ffn_in, *ffn_out;
  const float *store_map, *strength, *store_mix, *store_gate, *store_gate_bias, *store_out;

  // Pooling queries carried back through the output projection, [M, C], and of which weights.
  std::vector<float> queries;
  uint64_t query_version = ~uint64_t{0};

  std::string cache_name, keys_name, sum_name, largest_name, denominator_name, numerator_name,
      store_name, committed_name, recent_name, shift_name, ffn_shift_name;
  float *cache = nullptr, *keys = nullptr, *sum = nullptr, *largest = nullptr,
        *denominator = nullptr, *numerator = nullptr, *open_store = nullptr, *recent = nullptr,
        *shifted = nullptr, *ffn_shifted = nullptr;
  const float* committed = nullptr;
};

}  // namespace rmkv
