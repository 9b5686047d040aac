// The recurrence of RWKV-7 on the CPU, token by token in fp32.
//
//   S_t = S_{t-1} diag(w_t) + (S_{t-1} z_t) b_t^T + v_t k_t^T,   y_t = S_t r_t,   S fp32 [value,
//   key]
//
// with z = -kappa and b = kappa * a.  The work of a token is the same whatever block it comes in,
// so any split of a sequence gives the same bits.  T is float or bf16; sums are fp32.
// Goose, arXiv 2503.14456, section 4.
#pragma once

#include "core/kernels/cpu/wkv_rows.h"

namespace rmkv::kernels::cpu {

template <typename T>
struct Wkv7Inputs {
  const T* receptance;   // r [B, T, H, N]
  const float* decay;    // w [B, T, H, N], in (0, 1)
  const T* key;          // k [B, T, H, N]
  const T* value;        // v [B, T, H, N]
  const T* removal;      // z [B, T, H, N]
  const T* replacement;  // b [B, T, H, N]
  const float* initial;  // [B, H, N, N]
  const float* reset;    // [H, N, N] or null (zeros): the state after a reset
  const uint8_t* marks;  // [B, T] or null
};

// out [B, T, H, N]; final [B, H, N, N]; kept [B, H, chunks, P, P] or null: the states backward
// starts from.
template <typename T>
void wkv7_forward(const WkvShape& shape, const Wkv7Inputs<T>& in, T* out, float* final,
                  float* kept);

template <typename T>
struct Wkv7Gradients {
  T* receptance;  // [B, T, H, N]
  float* decay;
  T* key;
  T* value;
  T* removal;
  T* replacement;
  float* initial;  // [B, H, N, N]
  float* reset;    // [B, H, N, N], still to be summed over lanes; null with in.reset
};

// grad_out [B, T, H, N]; grad_final [B, H, N, N] or null.
template <typename T>
void wkv7_backward(const WkvShape& shape, const Wkv7Inputs<T>& in, const float* kept,
                   const T* grad_out, const float* grad_final, const Wkv7Gradients<T>& grads);

}  // namespace rmkv::kernels::cpu
