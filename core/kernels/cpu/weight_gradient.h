// The gradient of a weight on the CPU: a product whose summed dimension is the long one, rows.
//
// LibTorch's libraries are made for the other two products of a linear layer; on this one they
// reach two thirds of the speed in fp32, and in bf16 round the sum to bf16.  This one sums in fp32
// and adds to what is there.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

// Widths that weight_gradient takes: both multiples of this.
inline constexpr int64_t kWeightMultiple = 16;

// out fp32 [O, I] = or += grad^T x, with grad [N, O] and x [N, I] of dtype T (float or bf16); rows
// are grad_row and x_row elements apart.  The order of summation does not depend on the number of
// threads.
template <typename T>
void weight_gradient(const T* grad, int64_t grad_row, const T* x, int64_t x_row, float* out,
                     int64_t rows, int64_t outputs, int64_t inputs, bool accumulate);

}  // namespace rmkv::kernels::cpu
