// A normalisation layer as indices into a parameter store.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "core/nn/initialise.h"
#include "core/tensor/parameters.h"

namespace rmkv {

enum class NormKind { kRms, kLayer };
NormKind parse_norm(
    const std::string& name);  // "rms" or "layer"; an unknown name throws with the list
std::string norm_name(NormKind kind);

struct Norm {
  NormKind kind = NormKind::kRms;
  size_t weight = 0;  // master dtype [C]
  size_t bias = 0;    // master dtype [C]; kLayer only
  double epsilon = 1e-5;
};

// Declares `name`.weight (ones) and, for kLayer, `name`.bias (zeros).
Norm declare_norm(ParameterStore& store, const Initialiser& initial, const std::string& name,
                  NormKind kind, int64_t channels, double epsilon = 1e-5);

// x [.., C] -> [.., C] in `out`.
Tensor apply_norm(const ParameterStore& store, const Norm& norm, const Tensor& x,
                  at::ScalarType out);

// The residual step: (x + y, norm of it); x keeps its dtype, the norm has `out`.
std::pair<Tensor, Tensor> apply_add_norm(const ParameterStore& store, const Norm& norm,
                                         const Tensor& x, const Tensor& y, at::ScalarType out);

}  // namespace rmkv
