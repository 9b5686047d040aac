// What the fuzzers of model files share: bytes of one format give an Error or a checked model file.
#pragma once

#include "core/checkpoint/weight_file.h"
#include "tests/fuzz/input.h"

namespace rmkv::fuzz {

// Every byte of every tensor must lie in the input.
inline void touch_weights(const WeightMap& weights) {
  for (const auto& [name, weight] : weights) touch(weight.data, weight.size_bytes());
}

template <typename Parse>
void try_model_file(const uint8_t* data, size_t size, Parse parse) {
  accepts([&] {
    StoredWeights stored = parse(view(data, size));
    touch_weights(stored.weights);
    touch_weights(import_rwkv(std::move(stored), "fuzz").weights);
  });
}

}  // namespace rmkv::fuzz
