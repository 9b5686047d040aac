// Row normalisation of an fp32 stream on the CPU, forward and backward.  A is the dtype of what is
// added, Out that of the normalised rows: float or bf16 each.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

struct NormShape {
  int64_t rows = 0;      // N
  int64_t channels = 0;  // C
  bool centred = false;  // false: RMSNorm, true: LayerNorm
  float epsilon = 1e-5f;
};

// x [N, C], added [N, C] of dtype A (or null), weight fp32 [C], bias fp32 [C] (or null)
// -> sum [N, C] = x + added (only with added), out [N, C], and for backward mean and inverse
// deviation fp32 [N] (mean may be null where not centred).
template <typename A, typename Out>
void norm_forward(const NormShape& shape, const float* x, const A* added, const float* weight,
                  const float* bias, float* sum, Out* out, float* mean, float* inverse);

// Gradients of x (plus `passed` [N, C], the gradient that reaches the sum directly, or null) from
// that of out; the gradient of `added` is the same rows in dtype A (or null).  grad_weight and
// grad_bias fp32 [C] are overwritten (either may be null).
template <typename A, typename Out>
void norm_backward(const NormShape& shape, const float* x, const Out* grad_out, const float* passed,
                   const float* weight, const float* mean, const float* inverse, float* grad_x,
                   A* grad_added, float* grad_weight, float* grad_bias);

}  // namespace rmkv::kernels::cpu
