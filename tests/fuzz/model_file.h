// What the fuzzers of model files share: bytes of one format give an Error or a checked model file.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/error.h"
#include "core/checkpoint/weight_file.h"

namespace rmkv {

template <typename Parse>
void try_model_file(const uint8_t* data, size_t size, Parse parse) {
  try {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    StoredWeights stored = parse(bytes);
    // Every byte of every tensor must lie in the input.
    uint64_t sum = 0;
    for (const auto& [name, weight] : stored.weights) {
      for (uint64_t i = 0; i < weight.size_bytes(); i += 64) sum += weight.data[i];
    }
    volatile uint64_t seen = sum;
    (void)seen;
    import_rwkv(std::move(stored), "fuzz");
  } catch (const Error&) {
    // Refused, as most inputs are.
  }
}

}  // namespace rmkv
