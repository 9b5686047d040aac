// Rotary positions (Su et al. 2021): a true rotation, so that scores depend on differences of
// positions only.
//
// Channel d of a head pairs with channel d + D/2 and turns by position * base^(-2d/D); all heads
// share the angles.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

inline constexpr double kRotaryBase = 10000.0;

// x [B, T, H, D] (D even), rows at positions offset .. offset + T - 1 (offset may be negative) ->
// same shape and dtype.  Differentiable.
Tensor rotate(const Tensor& x, int64_t offset, double base = kRotaryBase);

// Cosines and sines [2, T, D/2] (fp32 or fp64) of the positions offset .. offset + T - 1; cached
// per thread.
Tensor rotary_table(int64_t offset, int64_t count, int64_t head_channels, double base,
                    at::ScalarType dtype, at::Device device);

}  // namespace rmkv::kernels
