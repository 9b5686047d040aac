// Inner loops over panels of fp32, fp16 and bf16 weights; see packed_matrix.h.
//
// A tile is R rows of activations times the 32 outputs of a panel: 2 R sums stay in registers while
// the inputs of one block go by.
#pragma once

#include <algorithm>

#include "core/kernels/cpu/vector.h"
#include "core/tensor/block_quant.h"

namespace rmkv::kernels::cpu {

// Inputs summed before the sum is added to the output: bounds rounding and keeps a block of a panel
// in the first cache.
inline constexpr int64_t kInputBlock = 256;
#if defined(__AVX512F__)
inline constexpr int kFloatRows = 12;  // 24 sums, 4 weights, one activation of 32 registers
#else
inline constexpr int kFloatRows = 3;  // of 16 half as wide
#endif

// One rounding, said so: a tile of one row and a tile of twelve must agree bit for bit.
inline Floats fused(Floats a, Floats b, Floats sum) {
#if defined(__AVX512F__)
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum);
#else
  return sum + a * b;
#endif
}

inline Floats widen_half(const uint8_t* p) {
#if defined(__AVX512F__)
  // The masked form: g++ 12 warns of the plain one's undefined pass-through.
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return (Floats)_mm512_maskz_cvtph_ps(0xffff, halves);
#else
  _Float16 halves[kLanes];
  std::memcpy(halves, p, sizeof halves);
  Floats x;
  for (int i = 0; i < kLanes; ++i) x[i] = static_cast<float>(halves[i]);
  return x;
#endif
}

inline Ints load_ints(const uint8_t* p) {
  Ints x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

inline void prefetch(const uint8_t* p) {
  __builtin_prefetch(p, 0, 3);
}
// How far ahead of the arithmetic a lone row asks for weights: also beyond the end of a matrix,
// where the next one lies.
inline constexpr int64_t kPrefetchBytes = 8192;

// y [R, 32] (= or +=) x [R, inputs] times a block of a panel.
template <WeightType type, int R>
void float_tile(const uint8_t* weights, const float* x, int64_t x_stride, int64_t inputs, float* y,
                int64_t y_stride, bool add) {
  Floats sums[R][2] = {};
  const auto step = [&](Floats first, Floats second, int64_t i) __attribute__((always_inline)) {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const Floats value = broadcast(x[r * x_stride + i]);
      sums[r][0] = fused(value, first, sums[r][0]);
      sums[r][1] = fused(value, second, sums[r][1]);
    }
  };
  if constexpr (type == WeightType::BF16) {
    const Ints high = Ints{} + static_cast<int32_t>(0xffff0000);
    for (int64_t i = 0; i < inputs; i += 2, weights += 128) {
      if (R == 1) prefetch(weights + kPrefetchBytes), prefetch(weights + kPrefetchBytes + 64);
      const Ints first = load_ints(weights), second = load_ints(weights + 64);
      step(floats_of(first << 16), floats_of(second << 16), i);
      step(floats_of(first & high), floats_of(second & high), i + 1);
    }
  } else if constexpr (type == WeightType::F16) {
    for (int64_t i = 0; i < inputs; ++i, weights += 64) {
      if (R == 1) prefetch(weights + kPrefetchBytes);
      step(widen_half(weights), widen_half(weights + 32), i);
    }
  } else {
    const float* w = reinterpret_cast<const float*>(weights);
    for (int64_t i = 0; i < inputs; ++i, w += 32) {
      if (R == 1) {
        prefetch(reinterpret_cast<const uint8_t*>(w) + kPrefetchBytes);
        prefetch(reinterpret_cast<const uint8_t*>(w) + kPrefetchBytes + 64);
      }
      step(load(w), load(w + kLanes), i);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < 2; ++v) {
      float* place = y + r * y_stride + v * kLanes;
      store(place, add ? load(place) + sums[r][v] : sums[r][v]);
    }
  }
}

// The same with bf16 activations, two inputs a step.
template <int R>
void halves_tile(const uint8_t* weights, const bf16* x, int64_t x_stride, int64_t inputs, float* y,
                 int64_t y_stride, bool add) {
#if defined(__AVX512BF16__)
  __m512 sums[R][2];
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
  for (int64_t i = 0; i < inputs; i += 2, weights += 128) {
    const __m512i first = _mm512_loadu_si512(weights), second = _mm512_loadu_si512(weights + 64);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      int32_t pair;
      std::memcpy(&pair, x + r * x_stride + i, sizeof pair);
      const __m512bh value = (__m512bh)_mm512_set1_epi32(pair);
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], (__m512bh)first, value);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], (__m512bh)second, value);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < 2; ++v) {
      float* place = y + r * y_stride + v * kLanes;
      store(place, add ? load(place) + (Floats)sums[r][v] : (Floats)sums[r][v]);
    }
  }
#else
  (void)weights, (void)x, (void)x_stride, (void)inputs, (void)y, (void)y_stride, (void)add;
#endif
}

// Cuts `rows` into tiles as even as they go (512 rows: 42 of 12 and one of 8) and calls
// fn(first row, count).
template <typename Fn>
inline void for_row_tiles(int64_t rows, int64_t most, const Fn& fn) {
  for (int64_t r = 0; r < rows; r += most) fn(r, std::min(most, rows - r));
}

}  // namespace rmkv::kernels::cpu
