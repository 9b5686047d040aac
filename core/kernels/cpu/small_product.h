// Products of small matrices that lie in the cache, for attention: C (+)= A B with fp32 sums.
//
// Operands are made of 32-bit lanes.  A lane is one fp32 value, or a pair of bf16 values that are
// consecutive along the summed dimension; one step of the inner loop multiplies one lane of A with
// sixteen of B.  Nothing is copied: A may have any strides, so a transposed A is a matter of
// strides.
#pragma once

#include <algorithm>
#include <utility>

#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {

// Elements of T in a lane.
template <typename T>
inline constexpr int64_t kLaneElements = static_cast<int64_t>(sizeof(float) / sizeof(T));

template <typename T>
inline Floats multiply_add(Floats sum, Floats a, Floats b) {
  if constexpr (kLaneElements<T> == 1) {
    return sum + a * b;
  } else {
#if defined(__AVX512BF16__)
    return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    const Ints high = Ints{} + static_cast<int32_t>(0xffff0000);
    sum += floats_of(bits_of(a) << 16) * floats_of(bits_of(b) << 16);
    return sum + floats_of(bits_of(a) & high) * floats_of(bits_of(b) & high);
#endif
  }
}

// Lanes through pointers of type float: pairs of bf16 are moved, never computed with, as if they
// were fp32.
inline Floats broadcast_lane(const float* p) {
  int32_t lane;
  std::memcpy(&lane, p, sizeof lane);
  return floats_of(Ints{} + lane);
}

struct LaneMatrix {
  const float* lanes;
  int64_t row;   // lanes from one row to the next (A), from one step to the next (B)
  int64_t step;  // A: lanes from one step to the next
};

template <typename T, int kRows, int kVectors>
inline void product_tile(int64_t steps, LaneMatrix a, LaneMatrix b, float* c, int64_t c_row,
                         bool accumulate) {
  Floats sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = accumulate ? load(c + r * c_row + v * kLanes) : Floats{};
    }
  }
  const float* pa = a.lanes;
  const float* pb = b.lanes;
  for (int64_t s = 0; s < steps; ++s, pa += a.step, pb += b.row) {
    Floats row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      row[v] = load(pb + v * kLanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Floats left = broadcast_lane(pa + r * a.row);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = multiply_add<T>(sums[r][v], left, row[v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      store(c + r * c_row + v * kLanes, sums[r][v]);
    }
  }
}

// 6 x 4 tiles: 24 sums, 4 lanes of B and one of A fill 29 of the 32 registers.
inline constexpr int64_t kTileRows = 6;
inline constexpr int64_t kTileVectors = 4;

template <typename T, int kVectors>
inline void product_strip(int64_t rows, int64_t steps, LaneMatrix a, LaneMatrix b, float* c,
                          int64_t c_row, bool accumulate) {
  int64_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows) {
    product_tile<T, kTileRows, kVectors>(steps, {a.lanes + r * a.row, a.row, a.step}, b,
                                         c + r * c_row, c_row, accumulate);
  }
  const LaneMatrix rest{a.lanes + r * a.row, a.row, a.step};
  float* target = c + r * c_row;
  switch (rows - r) {
    case 1:
      return product_tile<T, 1, kVectors>(steps, rest, b, target, c_row, accumulate);
    case 2:
      return product_tile<T, 2, kVectors>(steps, rest, b, target, c_row, accumulate);
    case 3:
      return product_tile<T, 3, kVectors>(steps, rest, b, target, c_row, accumulate);
    case 4:
      return product_tile<T, 4, kVectors>(steps, rest, b, target, c_row, accumulate);
    case 5:
      return product_tile<T, 5, kVectors>(steps, rest, b, target, c_row, accumulate);
    default:
      return;
  }
}

// C fp32 [rows, 16 * vectors] (rows c_row apart) = or += A [rows, steps] B [steps, 16 * vectors].
template <typename T>
void small_product(int64_t rows, int64_t vectors, int64_t steps, LaneMatrix a, LaneMatrix b,
                   float* c, int64_t c_row, bool accumulate = false) {
  for (int64_t v = 0; v < vectors; v += kTileVectors) {
    const LaneMatrix columns{b.lanes + v * kLanes, b.row, b.step};
    float* target = c + v * kLanes;
    switch (std::min(kTileVectors, vectors - v)) {
      case 1:
        product_strip<T, 1>(rows, steps, a, columns, target, c_row, accumulate);
        break;
      case 2:
        product_strip<T, 2>(rows, steps, a, columns, target, c_row, accumulate);
        break;
      case 3:
        product_strip<T, 3>(rows, steps, a, columns, target, c_row, accumulate);
        break;
      default:
        product_strip<T, 4>(rows, steps, a, columns, target, c_row, accumulate);
        break;
    }
  }
}

// Lanes [rows, columns] (rows `from_row` apart) -> their transpose [columns, rows]; both counts are
// multiples of 16.
inline void transpose_lanes(const float* from, int64_t from_row, int64_t rows, int64_t columns,
                            float* to, int64_t to_row) {
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      Floats block[kLanes];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i) {
        block[i] = load(from + (r + i) * from_row + c);
      }
      // Four butterfly stages exchange bit d of the row with bit d of the lane.
      const auto exchange = [&block]<int d>(std::integral_constant<int, d>) {
        const Ints lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        const Ints high = (lane & d) != 0;
        const Ints first = (high & (lane - d + 16)) | (~high & lane);
        const Ints second = (high & (lane + 16)) | (~high & (lane + d));
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) {
          if ((i & d) == 0) {
            const Floats a = block[i], b = block[i + d];
            block[i] = __builtin_shuffle(a, b, first);
            block[i + d] = __builtin_shuffle(a, b, second);
          }
        }
      };
      exchange(std::integral_constant<int, 1>{});
      exchange(std::integral_constant<int, 2>{});
      exchange(std::integral_constant<int, 4>{});
      exchange(std::integral_constant<int, 8>{});
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i) {
        store(to + (c + i) * to_row + r, block[i]);
      }
    }
  }
}

// Rows of T [rows, columns] (columns a multiple of 16, rows even for bf16) -> lanes [rows / E,
// columns] that are consecutive along the rows.
template <typename T>
inline void pair_rows(const T* from, int64_t from_row, int64_t rows, int64_t columns, float* to,
                      int64_t to_row) {
  for (int64_t r = 0; r < rows; r += kLaneElements<T>) {
    float* target = to + r / kLaneElements<T> * to_row;
    for (int64_t c = 0; c < columns; c += kLanes) {
      if constexpr (kLaneElements<T> == 1) {
        store(target + c, load(from + r * from_row + c));
      } else {
        Halves even, odd;
        std::memcpy(&even, from + r * from_row + c, sizeof even);
        std::memcpy(&odd, from + (r + 1) * from_row + c, sizeof odd);
        store(target + c, floats_of(__builtin_convertvector(even, Ints) |
                                    (__builtin_convertvector(odd, Ints) << 16)));
      }
    }
  }
}

}  // namespace rmkv::kernels::cpu
