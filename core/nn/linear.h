// A linear layer as indices into a parameter store.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/nn/initialise.h"
#include "core/tensor/parameters.h"

namespace rmkv {

struct Linear {
  size_t weight = 0;           // master dtype [O, I]
  std::optional<size_t> bias;  // master dtype [O]
};

// Declares `name`.weight (normal with `deviation`; 0 gives zeros) and, with `bias`, a zero
// `name`.bias.
Linear declare_linear(ParameterStore& store, const Initialiser& initial, const std::string& name,
                      int64_t inputs, int64_t outputs, double deviation, bool bias);

// x [.., I] -> [.., O], dtype of x.
Tensor apply_linear(const ParameterStore& store, const Linear& layer, const Tensor& x);

}  // namespace rmkv
