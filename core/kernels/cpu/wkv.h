// The recurrence of RWKV-5 and RWKV-6 on the CPU, token by token in fp32.
//
//   y_t = r_t^T (diag(u) k_t v_t^T + S),   S <- diag(w_t) S + k_t v_t^T,   S fp32 [key, value]
//
// The work of a token is the same whatever block it comes in, so any split of a sequence gives the
// same bits.  T is float or bf16; sums are fp32.  Eagle and Finch, arXiv 2404.05892, section 4.
#pragma once

#include "core/kernels/cpu/wkv_rows.h"

namespace rmkv::kernels::cpu {

template <typename T>
struct WkvInputs {
  const T* receptance;  // [B, T, H, N]
  const T* key;         // [B, T, H, N]
  const T* value;       // [B, T, H, N]
  const float* decay;   // [B, T, H, N], or [H, N] when constant; in (0, 1]
  bool constant_decay;
  const float* bonus;    // [H, N]
  const float* initial;  // [B, H, N, N]
  const float* reset;    // [H, N, N] or null (zeros): the state after a reset
  const uint8_t* marks;  // [B, T] or null
};

// out [B, T, H, N]; final [B, H, N, N]; kept [B, H, chunks, P, P] or null: the states backward
// starts from.
template <typename T>
void wkv_forward(const WkvShape& shape, const WkvInputs<T>& in, T* out, float* final, float* kept);

template <typename T>
struct WkvGradients {
  T* receptance;  // [B, T, H, N]
  T* key;
  T* value;
  float* decay;    // [B, T, H, N], or [B, H, N] when constant: still to be summed over lanes
  float* bonus;    // [B, H, N], still to be summed over lanes
  float* initial;  // [B, H, N, N]
  float* reset;    // [B, H, N, N], still to be summed over lanes; null with in.reset
};

// grad_out [B, T, H, N]; grad_final [B, H, N, N] or null.
template <typename T>
void wkv_backward(const WkvShape& shape, const WkvInputs<T>& in, const float* kept,
                  const T* grad_out, const float* grad_final, const WkvGradients<T>& grads);

}  // namespace rmkv::kernels::cpu
