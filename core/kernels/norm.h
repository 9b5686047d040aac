// Normalisation of rows, computed in fp32 (fp64 for fp64 rows) whatever the dtype of the rows.
//
// RMSNorm: Zhang and Sennrich 2019.  LayerNorm: Ba et al. 2016.
#pragma once

#include <utility>

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// x [.., C], weight [C] (master dtype) -> x / rms(x) * weight, [.., C] in `out`.
Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon, at::ScalarType out);

// x [.., C], weight and bias [C] (bias may be undefined) -> [.., C] in `out`.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                  at::ScalarType out);

// The residual step in one pass: (x + y, rms_norm(x + y)).  x [.., C] is the residual stream and
// keeps its dtype in the first result; y [.., C] may be narrower; the second result is [.., C] in
// `out`.
std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& y, const Tensor& weight,
                                       double epsilon, at::ScalarType out);

}  // namespace rmkv::kernels
