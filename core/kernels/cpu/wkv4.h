// The recurrence of RWKV-4 on the CPU: a running weighted mean per channel, in fp32, with the
// largest exponent kept apart so that nothing overflows.
//
//   q = max(p, u+k);  y = (e^{p-q} a + e^{u+k-q} v) / (e^{p-q} b + e^{u+k-q})
//   p' = max(p+w, k); a <- e^{p+w-p'} a + e^{k-p'} v;  b <- e^{p+w-p'} b + e^{k-p'}
//
// arXiv 2305.13048, appendix B.  T is float or bf16.
#pragma once

#include "core/kernels/cpu/wkv_rows.h"

namespace rmkv::kernels::cpu {

struct Wkv4Shape {
  int64_t lanes;     // B
  int64_t tokens;    // T
  int64_t channels;  // C
};

template <typename T>
struct Wkv4Inputs {
  const T* key;          // [B, T, C]
  const T* value;        // [B, T, C]
  const float* decay;    // w [C], negative
  const float* bonus;    // u [C]
  const float* initial;  // [B, 3, C]: a, b, p
  const uint8_t* marks;  // [B, T] or null; a reset gives a = b = 0, p = kWkv4Nothing
};

// The exponent of an empty state: e^(kWkv4Nothing - q) is 0 for any real q.
inline constexpr float kWkv4Nothing = -1e30f;

// out [B, T, C]; final [B, 3, C]; kept [B, chunks, 3, C] or null.
template <typename T>
void wkv4_forward(const Wkv4Shape& shape, const Wkv4Inputs<T>& in, T* out, float* final,
                  float* kept);

template <typename T>
struct Wkv4Gradients {
  T* key;          // [B, T, C]
  T* value;        // [B, T, C]
  float* decay;    // [B, C], still to be summed over lanes
  float* bonus;    // [B, C], still to be summed over lanes
  float* initial;  // [B, 3, C]
};

// grad_out [B, T, C]; final [B, 3, C] as forward gave it; grad_final [B, 3, C] or null.
template <typename T>
void wkv4_backward(const Wkv4Shape& shape, const Wkv4Inputs<T>& in, const float* kept,
                   const float* final, const T* grad_out, const float* grad_final,
                   const Wkv4Gradients<T>& grads);

}  // namespace rmkv::kernels::cpu
