// Sixteen fp32 lanes: the width in which the CPU kernels of this folder compute.
//
// Written with the compiler's vector types, which become AVX-512, AVX2 or NEON code as -march says;
// only the bf16 conversions and the bf16 dot product name instructions, with a portable form beside
// them.
#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace rmkv::kernels::cpu {

using bf16 = c10::BFloat16;
inline constexpr int64_t kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));

inline Floats broadcast(float x) {
  return x - Floats{};
}
inline Ints bits_of(Floats x) {
  return (Ints)x;
}
inline Floats floats_of(Ints x) {
  return (Floats)x;
}

inline Floats load(const float* p) {
  Floats x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, Floats x) {
  std::memcpy(p, &x, sizeof x);
}

inline Floats widen(Halves h) {
  return floats_of(__builtin_convertvector(h, Ints) << 16);
}
// Round to nearest even; NaN stays NaN.
inline Halves narrow(Floats x) {
#if defined(__AVX512BF16__)
  return (Halves)_mm512_cvtneps_pbh((__m512)x);
#else
  const Words w = (Words)x;
  const Words rounded = (w + 0x7fffu + ((w >> 16) & 1u)) >> 16;
  const Words is_nan = (Words)(x != x);
  return __builtin_convertvector((rounded & ~is_nan) | (0x7fc0u & is_nan), Halves);
#endif
}
inline Floats load(const bf16* p) {
  Halves h;
  std::memcpy(&h, p, sizeof h);
  return widen(h);
}
inline void store(bf16* p, Floats x) {
  const Halves h = narrow(x);
  std::memcpy(p, &h, sizeof h);
}

// The first `count` (1 .. 16) lanes; the rest are zero on load and untouched on store.
template <typename T>
inline Floats load_some(const T* p, int64_t count) {
  if (count >= kLanes) {
    return load(p);
  }
  T buffer[kLanes] = {};
  std::memcpy(static_cast<void*>(buffer), p, static_cast<size_t>(count) * sizeof(T));
  return load(buffer);
}
template <typename T>
inline void store_some(T* p, Floats x, int64_t count) {
  if (count >= kLanes) {
    store(p, x);
    return;
  }
  T buffer[kLanes];
  store(buffer, x);
  std::memcpy(static_cast<void*>(p), buffer, static_cast<size_t>(count) * sizeof(T));
}

inline Floats maximum(Floats a, Floats b) {
  return a > b ? a : b;
}

// Pairwise, in a fixed order.
inline float sum_lanes(Floats x) {
  float lanes[kLanes];
  store(lanes, x);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) {
      lanes[i] += lanes[i + half];
    }
  }
  return lanes[0];
}
inline float max_lanes(Floats x) {
  float lanes[kLanes];
  store(lanes, x);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) {
      lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    }
  }
  return lanes[0];
}

// e^x within 2 units in the last place for x in [-87, 88]; 0 below, clamped above.
// x = n ln 2 + r, e^r by the polynomial of Cephes' expf, 2^n through the exponent bits.
inline Floats exponential(Floats x) {
  // Comparisons in this order let NaN through.
  Floats clamped = x < broadcast(-87.3f) ? broadcast(-87.3f) : x;
  clamped = clamped > broadcast(88.3f) ? broadcast(88.3f) : clamped;
  const Floats magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Floats shifted = clamped * 1.44269504088896341f + magic;
  const Floats n = shifted - magic;
  const Floats r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  Floats p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Floats scale = floats_of((bits_of(shifted) - bits_of(magic) + 127) << 23);
  return x < broadcast(-87.3f) ? Floats{} : p * scale;
}
inline Floats sigmoid(Floats x) {
  return 1.0f / (1.0f + exponential(-x));
}
// Near 0 the exponential form cancels: there the odd series x - x^3/3 + 2x^5/15 is exact to fp32.
inline Floats hyperbolic_tangent(Floats x) {
  const Floats square = x * x;
  const Floats series =
      x * (1.0f + square * (-0.333333333f + square * (0.133333333f - square * 0.0539682540f)));
  const Floats large = 2.0f * sigmoid(2.0f * x) - 1.0f;
  return square < broadcast(0.0025f) ? series : large;
}

}  // namespace rmkv::kernels::cpu
