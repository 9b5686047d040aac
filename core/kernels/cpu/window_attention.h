// Causal attention over a sliding window on the CPU: the rule of core/kernels/window_attention.h,
// one key head at a time inside the cache, for all query heads of its group.
//
// T is the dtype of rows, float or bf16; scores, softmax and sums are fp32.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

struct WindowShape {
  int64_t batch = 0, tokens = 0, ring = 0;  // B, T, R
  int64_t heads = 0, key_heads = 0;         // H, G
  int64_t head_channels = 0;                // D, a multiple of 32

  int64_t key_width() const { return 2 * key_heads * head_channels; }  // keys | values
};

template <typename T>
struct WindowInputs {
  const T* queries;  // row t of lane b at b * query_lane + t * query_row, H D numbers
  int64_t query_lane, query_row;
  const T* fresh;  // likewise, 2 G D numbers: keys | values
  int64_t fresh_lane, fresh_row;
  const T* ring;         // [B, R, 2 G D]
  const int64_t* start;  // [B]: slot of column 0
  const int64_t* low;    // [B, T]: first column of each row
};

// -> out [B, T, H D] and per row the log of the softmax's sum, fp32 [B, H, T].
template <typename T>
void window_forward(const WindowShape& shape, const WindowInputs<T>& in, T* out, float* log_sums);

// log_sums as forward left them -> gradients of queries [B, T, H D], fresh [B, T, 2 G D] and ring
// [B, R, 2 G D] (null: not wanted).
template <typename T>
void window_backward(const WindowShape& shape, const WindowInputs<T>& in, const float* log_sums,
                     const T* grad_out, T* grad_queries, T* grad_fresh, T* grad_ring);

}  // namespace rmkv::kernels::cpu
