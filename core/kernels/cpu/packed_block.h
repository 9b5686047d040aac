// Inner loops over panels of weights in blocks of 32 values of 8, 5 and 4 bits; see
// packed_matrix.h.
//
// A block of a panel is 32 inputs of 32 outputs: scales fp16 [32] (and minima fp16 [32]), then the
// codes as 16 vectors of 64 bytes, each four consecutive inputs of 16 outputs: inputs 0-3 of
// outputs 0-15, then of outputs 16-31, then inputs 4-7 ..., exactly the order in which they are
// read.  (All of outputs 0-15 first reads two streams 512 bytes apart, which the machine's
// prefetcher does not follow: 22 instead of 34 GB/s.) Codes are unsigned (Q8_0 moved up by 128);
// the offset is paid with the sum of the activations. Four bits: vectors of inputs 4j and 4(j + 4)
// share bytes, the first in the low nibble.  The fifth bit: one 64-bit word a vector before the
// nibbles.
#pragma once

#include "core/kernels/cpu/activation_rows.h"
#include "core/kernels/cpu/packed_float.h"

namespace rmkv::kernels::cpu {

#if defined(__AVX512F__)
inline constexpr int kBlockRows = 4;  // 16 sums of a block, 8 of the panel, codes
inline constexpr int kByteRows = 6;   // 12 and 12
#else
inline constexpr int kBlockRows = 2;
inline constexpr int kByteRows = 3;
#endif

template <WeightType type>
struct BlockLayout {
  static constexpr int kBits = type == WeightType::Q8_0                               ? 8
                               : type == WeightType::Q5_0 || type == WeightType::Q5_1 ? 5
                                                                                      : 4;
  static constexpr bool kHasMinimum = type == WeightType::Q4_1 || type == WeightType::Q5_1;
  static constexpr int32_t kOffset = kHasMinimum ? 0 : 1 << (kBits - 1);
  static constexpr int64_t kScaleBytes = kHasMinimum ? 128 : 64;
  static constexpr int64_t kHighBytes = kBits == 5 ? 128 : 0;
  static constexpr int64_t kCodeBytes = kBits == 8 ? 1024 : 512;
  static constexpr int64_t kBytes = kScaleBytes + kHighBytes + kCodeBytes;

  // Where the vector of inputs 4j .. 4j + 3 (j 0 .. 7) of outputs 16v .. 16v + 15 lies, and the
  // word of its fifth bits.
  static constexpr int64_t code_place(int v, int j) {
    return kScaleBytes + kHighBytes + ((kBits == 8 ? j : j & 3) * 2 + v) * 64;
  }
  static constexpr int64_t high_place(int v, int j) { return kScaleBytes + (j * 2 + v) * 8; }

  static Ints codes(const uint8_t* block, int v, int j) {
    if constexpr (kBits == 8) {
      return load_ints(block + code_place(v, j));
    } else {
      const Ints bytes = load_ints(block + code_place(v, j));
      const Ints low = Ints{} + 0x0f0f0f0f;
      Ints result = (j < 4 ? bytes : bytes >> 4) & low;
      if constexpr (kBits == 5) {
        uint64_t bits;
        std::memcpy(&bits, block + high_place(v, j), sizeof bits);
#if defined(__AVX512BW__)
        result = (Ints)_mm512_mask_add_epi8((__m512i)result, bits, (__m512i)result,
                                            _mm512_set1_epi8(0x10));
#else
        uint8_t fifth[64];
        for (int i = 0; i < 64; ++i) fifth[i] = static_cast<uint8_t>(bits >> i & 1) << 4;
        result |= load_ints(fifth);
#endif
      }
      return result;
    }
  }
};

// sums[o] += the four products of unsigned bytes of `codes` with the signed bytes at `x`.
inline Ints dot_bytes(Ints sums, Ints codes, const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof four);
#if defined(__AVX512VNNI__)
  return (Ints)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)codes, _mm512_set1_epi32(four));
#else
  // Bytes 0 and 2, then 1 and 3, as pairs of 16 bits: nothing saturates.
  const int32_t even = (static_cast<int32_t>(x[2]) << 16) | (x[0] & 0xffff);
  const int32_t odd = (static_cast<int32_t>(x[3]) << 16) | (x[1] & 0xffff);
  const Ints mask = Ints{} + 0x00ff00ff;
  const Ints low = codes & mask, high = (codes >> 8) & mask;
#if defined(__AVX512BW__)
  const __m512i pairs = _mm512_madd_epi16((__m512i)low, _mm512_set1_epi32(even));
  return sums + (Ints)pairs + (Ints)_mm512_madd_epi16((__m512i)high, _mm512_set1_epi32(odd));
#else
  (void)even, (void)odd;
  const Ints first = low & 0xffff, third = low >> 16, second = high & 0xffff, last = high >> 16;
  return sums + first * x[0] + second * x[1] + third * x[2] + last * x[3];
#endif
#endif
}

inline Floats to_floats(Ints x) {
  return __builtin_convertvector(x, Floats);
}

// y [R, 32] = x [R, blocks] times a panel.
template <WeightType type, int R>
void block_tile(const uint8_t* weights, const CodeBlock* x, int64_t x_stride, int64_t blocks,
                float* y, int64_t y_stride) {
  using Layout = BlockLayout<type>;
  Floats sums[R][2] = {};
  for (int64_t b = 0; b < blocks; ++b, ++x, weights += Layout::kBytes) {
    Ints high[R][2], low[R][2];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      high[r][0] = high[r][1] = Ints{};
      low[r][0] = low[r][1] = Ints{} - Layout::kOffset * x[r * x_stride].sum;
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      // The compiler must not reorder what the machine's prefetcher should see as one stream;
      // asking ahead by hand as well costs a quarter of the bandwidth.
      if (R == 1) asm volatile("" ::: "memory");
      const Ints first = Layout::codes(weights, 0, j), second = Layout::codes(weights, 1, j);
      // Both halves in turn, so that what is read of a row serves twice.
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const int8_t* high_bytes = x[r * x_stride].high + 4 * j;
        const int8_t* low_bytes = x[r * x_stride].low + 4 * j;
        high[r][0] = dot_bytes(high[r][0], first, high_bytes);
        high[r][1] = dot_bytes(high[r][1], second, high_bytes);
        low[r][0] = dot_bytes(low[r][0], first, low_bytes);
        low[r][1] = dot_bytes(low[r][1], second, low_bytes);
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const Floats scales = widen_half(weights + v * 32);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float scale = x[r * x_stride].scale;
        const Ints codes = low[r][v] + (high[r][v] << 8);
        sums[r][v] = fused(to_floats(codes), scales * scale, sums[r][v]);
        if constexpr (Layout::kHasMinimum) {
          const float total = scale * static_cast<float>(x[r * x_stride].sum);
          sums[r][v] = fused(widen_half(weights + 64 + v * 32), broadcast(total), sums[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    store(y + r * y_stride, sums[r][0]);
    store(y + r * y_stride + kLanes, sums[r][1]);
  }
}

// The same with 8-bit activations.
template <WeightType type, int R>
void byte_tile(const uint8_t* weights, const ByteBlock* x, int64_t x_stride, int64_t blocks,
               float* y, int64_t y_stride) {
  using Layout = BlockLayout<type>;
  Floats sums[R][2] = {};
  for (int64_t b = 0; b < blocks; ++b, ++x, weights += Layout::kBytes) {
    Ints dots[R][2];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      dots[r][0] = dots[r][1] = Ints{} - Layout::kOffset * x[r * x_stride].sum;
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      if (R == 1) asm volatile("" ::: "memory");
      const Ints first = Layout::codes(weights, 0, j), second = Layout::codes(weights, 1, j);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const int8_t* bytes = x[r * x_stride].codes + 4 * j;
        dots[r][0] = dot_bytes(dots[r][0], first, bytes);
        dots[r][1] = dot_bytes(dots[r][1], second, bytes);
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const Floats scales = widen_half(weights + v * 32);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float scale = x[r * x_stride].scale;
        sums[r][v] = fused(to_floats(dots[r][v]), scales * scale, sums[r][v]);
        if constexpr (Layout::kHasMinimum) {
          const float total = scale * static_cast<float>(x[r * x_stride].sum);
          sums[r][v] = fused(widen_half(weights + 64 + v * 32), broadcast(total), sums[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    store(y + r * y_stride, sums[r][0]);
    store(y + r * y_stride + kLanes, sums[r][1]);
  }
}

}  // namespace rmkv::kernels::cpu
