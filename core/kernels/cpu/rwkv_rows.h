// The row operations of core/kernels/rwkv_rows.h on the CPU.  T is float or bf16.
//
// Sums over rows (gradients of parameters) are taken per block of rows, a number of blocks that
// depends on the rows alone, so the same bits come with any number of threads.
#pragma once

#include <cstdint>

#include "core/kernels/rwkv_rows.h"

namespace rmkv::kernels::cpu {

inline constexpr int64_t kRowBlocks = 16;  // partial sums of a parameter's gradient

// x [rows, C], bias [C] or null -> out [rows, C].
template <typename In, typename Out>
void function_forward(RowFunction function, int64_t rows, int64_t C, const In* x, const float* bias,
                      Out* out);
// grad_bias [kRowBlocks, C] or null, still to be summed.
template <typename In, typename Out>
void function_backward(RowFunction function, int64_t rows, int64_t C, const In* x,
                       const float* bias, const Out* grad_out, In* grad_x, float* grad_bias);

// Rows [rows, H N].
struct HeadShape {
  int64_t rows, heads, head_size;
  int64_t width() const { return heads * head_size; }
};

template <typename T>
struct OperandInputs {
  const T *key, *value, *decay_change, *rate_change;
  const T *value_change, *first_value;  // null in layer 0
  const float *decay_bias, *rate_bias, *value_bias, *removal_scale, *rate_scale;
};
template <typename T>
struct OperandOutputs {
  float* decay;
  T *key, *value, *removal, *replacement;
};
template <typename T>
void operands_forward(const HeadShape& shape, const OperandInputs<T>& in,
                      const OperandOutputs<T>& out);

template <typename T>
struct OperandOutputGradients {
  const float* decay;
  const T *key, *value, *removal, *replacement;
};
template <typename T>
struct OperandGradients {
  T *key, *value, *decay_change, *rate_change, *value_change, *first_value;
  float* parameters;  // [kRowBlocks, 5, D]: decay, rate and value bias, removal and rate scale
};
template <typename T>
void operands_backward(const HeadShape& shape, const OperandInputs<T>& in,
                       const OperandOutputGradients<T>& grad_out, const OperandGradients<T>& grads);

template <typename T>
struct HeadInputs {
  const T* y;
  const float *weight, *bias;
  const T* gate;                      // null without
  const T *receptance, *key, *value;  // null without a bonus
  const float* bonus;
  float epsilon;
};
template <typename T>
void head_forward(const HeadShape& shape, const HeadInputs<T>& in, T* out);

template <typename T>
struct HeadGradients {
  T *y, *gate, *receptance, *key, *value;
  float* parameters;  // [kRowBlocks, 3, D]: weight, bias, bonus
};
template <typename T>
void head_backward(const HeadShape& shape, const HeadInputs<T>& in, const T* grad_out,
                   const HeadGradients<T>& grads);

}  // namespace rmkv::kernels::cpu
