// The short convolution on the CPU; see core/kernels/short_convolution.h.  T is float or bf16.
#pragma once

#include "core/kernels/cpu/wkv_rows.h"

namespace rmkv::kernels::cpu {

struct ConvolutionShape {
  int64_t lanes;     // B
  int64_t tokens;    // T
  int64_t channels;  // C
  int64_t rows;      // W
};

// x, out [B, T, C]; recent, last [B, W, C]; weights [W, C]; marks [B, T] or null.
template <typename T>
void convolution_forward(const ConvolutionShape& shape, const T* x, const T* recent,
                         const float* weights, const uint8_t* marks, T* out, T* last);
// grad_last [B, W, C] or null; grad_x and grad_recent have the shapes of what they belong to;
// grad_weights [B, W, C], one per lane.
template <typename T>
void convolution_backward(const ConvolutionShape& shape, const T* x, const T* recent,
                          const float* weights, const uint8_t* marks, const T* grad_out,
                          const T* grad_last, T* grad_x, T* grad_recent, float* grad_weights);

}  // namespace rmkv::kernels::cpu
