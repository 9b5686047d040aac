// The token shift on the CPU; see core/kernels/token_shift.h.  T is float or bf16.
#pragma once

#include "core/kernels/cpu/wkv_rows.h"

namespace rmkv::kernels::cpu {

struct ShiftShape {
  int64_t lanes;     // B
  int64_t tokens;    // T
  int64_t channels;  // C
};

// x, difference [B, T, C]; previous, last [B, C]; marks [B, T] or null.
template <typename T>
void shift_forward(const ShiftShape& shape, const T* x, const float* previous, const uint8_t* marks,
                   T* difference, float* last);
// grad_last [B, C] or null; grad_x [B, T, C] and grad_previous [B, C] are written.
template <typename T>
void shift_backward(const ShiftShape& shape, const T* grad_difference, const float* grad_last,
                    const uint8_t* marks, T* grad_x, float* grad_previous);

// x, difference [rows, C]; mixes [J, C]; deltas [J, rows, C] or null; out [J, rows, C].
template <typename T>
void mix_forward(int64_t rows, int64_t channels, int64_t mixtures, const T* x, const T* difference,
                 const float* mixes, const T* deltas, T* out);
// grad_out [J, rows, C]; the gradients have the shapes of what they belong to; grad_deltas null
// with deltas.
template <typename T>
void mix_backward(int64_t rows, int64_t channels, int64_t mixtures, const T* difference,
                  const float* mixes, const T* deltas, const T* grad_out, T* grad_x,
                  T* grad_difference, float* grad_mixes, T* grad_deltas);

}  // namespace rmkv::kernels::cpu
