// The arithmetic of one element of AdamW, with moments kept in fp32, bf16 or 8 bits; the same on
// host and device, so that a test without a GPU checks what the CUDA kernel computes.  Plain C++:
// no LibTorch.
//
// The update is Loshchilov & Hutter 2019, algorithm 2 (optim/adamw.h has the formula).  8-bit
// moments follow Dettmers et al. 2022, "8-bit optimizers via block-wise quantization": blocks of
// 256 elements, each with the fp32 scale of its largest magnitude, and a dynamic code: the higher
// the leading bit of a code, the higher its decade and the finer its steps.  With i the place of
// the leading bit and k the bits below it, code 2^i + k stands for
//
//     10^(i - top) (0.1 + 0.9 (k + 1) / 2^i),
//
// the upper ends of 2^i equal steps of decade i; code 0 for 0.  The first moment has a sign bit and
// top = 6 (from 1e-6 to 1), the second top = 7.  Differences from the paper: upper ends instead of
// middles, so the largest magnitude is exact for both signs; a second moment above zero never
// becomes code 0, or an element whose first moment survives would be divided by epsilon (Li, Chen &
// Zhu 2023, "Memory efficient optimizers with 4-bit states", on the zero point); and rounding is
// stochastic, since with beta2 near 1 an average moves by less than a step and would stand still
// under rounding to nearest.  bf16 moments are rounded stochastically for the same reason.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define RMKV_ADAMW_FUNCTION __host__ __device__ __forceinline__
#else
#define RMKV_ADAMW_FUNCTION inline
#endif

namespace rmkv::adamw {

constexpr int kBlock = 256;       // elements that share a scale
constexpr int kFirstTop = 6;      // decades of the first moment's codes below 1
constexpr int kSecondTop = 7;     // of the second moment's
constexpr uint32_t kSign = 0x80;  // of a first moment's code
// Blocks whose largest magnitude is below this are kept as zeros: its inverse would overflow.
constexpr float kSmallestScale = 1e-36f;

// What an element needs besides itself.
struct Rates {
  double lr, beta1, beta2, eps, weight_decay;
};
struct Factors {
  float keep;  // 1 - lr weight_decay
  float rate;  // lr / (1 - beta1^t)
  float root;  // 1 / sqrt(1 - beta2^t)
  float eps;
  float beta1, new_first;   // beta1, 1 - beta1
  float beta2, new_second;  // beta2, 1 - beta2
  float gradient_scale;     // 1 / divisor
};

// t: the number of this update, from 1.
RMKV_ADAMW_FUNCTION Factors factors_of(const Rates& rates, double t, double divisor) {
  Factors f;
  f.keep = static_cast<float>(1.0 - rates.lr * rates.weight_decay);
  f.rate = static_cast<float>(rates.lr / (1.0 - pow(rates.beta1, t)));
  f.root = static_cast<float>(1.0 / sqrt(1.0 - pow(rates.beta2, t)));
  f.eps = static_cast<float>(rates.eps);
  f.beta1 = static_cast<float>(rates.beta1);
  f.new_first = static_cast<float>(1.0 - rates.beta1);
  f.beta2 = static_cast<float>(rates.beta2);
  f.new_second = static_cast<float>(1.0 - rates.beta2);
  f.gradient_scale = static_cast<float>(1.0 / divisor);
  return f;
}

RMKV_ADAMW_FUNCTION void update(const Factors& f, float gradient, float& value, float& first,
                                float& second) {
  const float g = gradient * f.gradient_scale;
  first = f.beta1 * first + f.new_first * g;
  second = f.beta2 * second + f.new_second * g * g;
  value = f.keep * value - f.rate * first / (sqrtf(second) * f.root + f.eps);
}

// 32 random bits of element `index` in a stream (parameter and number of the update): the low half
// rounds the first moment, the high half the second.  The finalizer of MurmurHash3 (Appleby).
RMKV_ADAMW_FUNCTION uint32_t noise_bits(uint32_t stream, uint32_t index) {
  uint32_t x = stream ^ (index * 0x9e3779b9u);
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}
// The stream of a parameter (its index) at an update.
RMKV_ADAMW_FUNCTION uint32_t noise_stream(uint32_t parameter, uint32_t updates) {
  return noise_bits(noise_bits(0x52574b56u, parameter), updates);
}

// x as bf16 bits, rounded up with the probability of what is cut off; noise in [0, 65536).
RMKV_ADAMW_FUNCTION uint16_t bf16_bits(float x, uint32_t noise) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  // The noise must not carry infinity or NaN into something else.
  if ((bits & 0x7f800000u) == 0x7f800000u) {
    return static_cast<uint16_t>((bits >> 16) | ((bits & 0xffffu) != 0u ? 0x40u : 0u));
  }
  return static_cast<uint16_t>((bits + noise) >> 16);
}
RMKV_ADAMW_FUNCTION float bf16_value(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// 10^(i - top) for the places i = 0 .. 7 of a leading bit.
RMKV_ADAMW_FUNCTION float decade(int below) {
  constexpr float kDecades[] = {1.0f, 1e-1f, 1e-2f, 1e-3f, 1e-4f, 1e-5f, 1e-6f, 1e-7f};
  return kDecades[below];
}
// Its inverse.
RMKV_ADAMW_FUNCTION float raise(int below) {
  constexpr float kPowers[] = {1.0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f};
  return kPowers[below];
}

// The magnitude in [0, 1] of a code without sign.
RMKV_ADAMW_FUNCTION float magnitude_of(uint32_t code, int top) {
  if (code == 0) return 0.0f;
  int place = 0;
  while ((code >> (place + 1)) != 0u) ++place;
  const float step = 1.0f / static_cast<float>(1 << place);
  const float k = static_cast<float>(code - (1u << place));
  return (0.1f + 0.9f * ((k + 1.0f) * step)) * decade(top - place);
}

// The code of a magnitude in [0, 1]; noise in [0, 1) rounds stochastically, 0.5 to the nearest.
// A magnitude above zero becomes at least `least`.
RMKV_ADAMW_FUNCTION uint32_t code_of(float magnitude, int top, float noise, uint32_t least) {
  int place = 0;
  for (int i = 0; i < top; ++i) place += magnitude > decade(top - i) ? 1 : 0;
  const float y = magnitude * raise(top - place);
  const float steps = static_cast<float>(1 << place);
  // The lowest decade is the one step from 0 to its upper end.
  const float t = place == 0 ? y : (y - 0.1f) * (1.0f / 0.9f) * steps;
  const float rounded = floorf(t + noise);
  const float code = steps - 1.0f + (rounded > 0.0f ? rounded : 0.0f);  // NaN: the lowest
  const float largest = 2.0f * steps - 1.0f;
  const uint32_t result = static_cast<uint32_t>(code < largest ? code : largest);
  return magnitude > 0.0f && result < least ? least : result;
}

RMKV_ADAMW_FUNCTION float noise_share(uint32_t half) {
  return static_cast<float>(half) * (1.0f / 65536.0f);
}

RMKV_ADAMW_FUNCTION float scale_of(float largest) {
  return largest > kSmallestScale ? largest : 0.0f;
}
RMKV_ADAMW_FUNCTION float inverse_of(float scale) {
  return scale > 0.0f ? 1.0f / scale : 0.0f;
}

RMKV_ADAMW_FUNCTION uint8_t first_code(float x, float inverse, float noise) {
  const uint32_t code = code_of(fabsf(x) * inverse, kFirstTop, noise, 0);
  return static_cast<uint8_t>(x < 0.0f ? code | kSign : code);
}
RMKV_ADAMW_FUNCTION float first_value(uint8_t code, float scale) {
  const float x = magnitude_of(code & ~kSign, kFirstTop) * scale;
  return (code & kSign) != 0u ? -x : x;
}
RMKV_ADAMW_FUNCTION uint8_t second_code(float x, float inverse, float noise) {
  return static_cast<uint8_t>(code_of(x * inverse, kSecondTop, noise, 1));
}
RMKV_ADAMW_FUNCTION float second_value(uint8_t code, float scale) {
  return magnitude_of(code, kSecondTop) * scale;
}

}  // namespace rmkv::adamw
