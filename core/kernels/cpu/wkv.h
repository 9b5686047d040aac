// The matrix-state recurrences of RWKV-5, 6 and 7 on the CPU, token by token in fp32.
//
//   5, 6:  y_t = r_t^T (diag(u) k_t v_t^T + S),   S <- diag(w_t) S + k_t v_t^T      S [key, value]
//   7:     S <- S diag(w_t) + (S z_t) b_t^T + v_t k_t^T,   y_t = S r_t              S [value, key]
//
// The work of a token is the same whatever block it comes in, so any split of a sequence gives the
// same bits.  T is float or bf16; sums are fp32.  arXiv 2404.05892 and 2503.14456, section 4.
#pragma once

#include "core/kernels/cpu/wkv_rows.h"

namespace rmkv::kernels::cpu {

template <typename T>
struct WkvInputs {
  const T *receptance, *key, *value;  // r, k, v [B, T, H, N]
  const T *removal, *replacement;     // z, b [B, T, H, N]: 7 alone
  const float* decay;                 // w [B, T, H, N], or [H, N] when constant; in (0, 1]
  bool constant_decay;                // 5 and 6 alone
  const float* bonus;                 // u [H, N]: 5 and 6 alone
  const float* initial;               // [B, H, N, N]
  const float* reset;                 // [H, N, N] or null (zeros): the state after a reset
  const uint8_t* marks;               // [B, T] or null
};

template <typename T>
struct WkvGradients {
  T *receptance, *key, *value, *removal, *replacement;
  float* decay;    // [B, T, H, N], or [B, H, N] when constant: still to be summed over lanes
  float* bonus;    // [B, H, N], still to be summed over lanes
  float* initial;  // [B, H, N, N]
  float* reset;    // [B, H, N, N], still to be summed over lanes; null with in.reset
};

// out [B, T, H, N]; final [B, H, N, N]; kept [B, H, chunks, P, P] or null: the states backward
// starts from.
template <typename T>
void wkv_forward(const WkvShape& shape, const WkvInputs<T>& in, T* out, float* final, float* kept);
template <typename T>
void wkv7_forward(const WkvShape& shape, const WkvInputs<T>& in, T* out, float* final, float* kept);

// grad_out [B, T, H, N]; grad_final [B, H, N, N] or null.
template <typename T>
void wkv_backward(const WkvShape& shape, const WkvInputs<T>& in, const float* kept,
                  const T* grad_out, const float* grad_final, const WkvGradients<T>& grads);
template <typename T>
void wkv7_backward(const WkvShape& shape, const WkvInputs<T>& in, const float* kept,
                   const T* grad_out, const float* grad_final, const WkvGradients<T>& grads);

}  // namespace rmkv::kernels::cpu
