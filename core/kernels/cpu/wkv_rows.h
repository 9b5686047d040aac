// What the matrix-state recurrences of RWKV-5, 6 and 7 share: rows and states in padded fp32
// scratch, and sums over them.
//
// A head of N channels is computed as P = N rounded up to whole vectors; the padding is zero and
// stays zero, so every N has full-width loops and every dtype one arithmetic.  Scratch states are
// [key, value]: all long loops then run along values without a sum across lanes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {

// Sizes of one call; rows are [B, T, H, N], contiguous.
struct WkvShape {
  int64_t lanes;      // B
  int64_t tokens;     // T
  int64_t heads;      // H
  int64_t head_size;  // N

  int64_t padded() const { return (head_size + kLanes - 1) / kLanes * kLanes; }
  int64_t row() const { return heads * head_size; }
  // Elements before token t of head h in lane b.
  int64_t at(int64_t b, int64_t t, int64_t h) const {
    return (b * tokens + t) * row() + h * head_size;
  }
};

// Bits of a token's mark.
enum : uint8_t {
  kMarkReset = 1,  // the lane forgets everything before this token
  kMarkSkip = 2,   // padding: the state passes unchanged, the output is zero
};

// marks [B, T] or null (no marks); `token` = b T + t.
inline uint8_t mark_at(const uint8_t* marks, int64_t token) {
  return marks ? marks[token] : 0;
}

// Tokens between two kept states: backward computes the states in between again.  32 states of 64 x
// 64 are half a megabyte, which stays in the second-level cache.
inline constexpr int64_t kWkvChunk = 32;
inline int64_t wkv_chunks(int64_t tokens) {
  return (tokens + kWkvChunk - 1) / kWkvChunk;
}

// `count` rows `stride` elements apart -> scratch [count, P].
template <typename T>
void gather_rows(const T* from, int64_t stride, int64_t count, int64_t N, int64_t P, float* to) {
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t c = 0; c < P; c += kLanes) {
      store(to + t * P + c, load_some(from + t * stride + c, N - c));
    }
  }
}
template <typename T>
void scatter_rows(const float* from, int64_t stride, int64_t count, int64_t N, int64_t P, T* to) {
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t c = 0; c < P; c += kLanes) {
      store_some(to + t * stride + c, load(from + t * P + c), N - c);
    }
  }
}

inline void copy_floats(const float* from, int64_t count, float* to) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}
inline void clear_floats(float* to, int64_t count) {
  std::memset(to, 0, static_cast<size_t>(count) * sizeof(float));
}
// to += from; `count` is a whole number of vectors.
inline void add_floats(const float* from, int64_t count, float* to) {
  for (int64_t c = 0; c < count; c += kLanes) store(to + c, load(to + c) + load(from + c));
}

// State [N, N] -> scratch [P, P], turned over where it is [value, key]; null gives zeros.
inline void load_state(const float* from, bool turned, int64_t N, int64_t P, float* to) {
  clear_floats(to, P * P);
  if (!from) return;
  for (int64_t i = 0; i < N; ++i) {
    if (!turned) {
      copy_floats(from + i * N, N, to + i * P);
    } else {
      for (int64_t j = 0; j < N; ++j) to[j * P + i] = from[i * N + j];
    }
  }
}
inline void save_state(const float* from, bool turned, int64_t N, int64_t P, float* to) {
  for (int64_t i = 0; i < N; ++i) {
    if (!turned) {
      copy_floats(from + i * P, N, to + i * N);
    } else {
      for (int64_t j = 0; j < N; ++j) to[i * N + j] = from[j * P + i];
    }
  }
}
// a . b over P elements.
inline float dot(const float* a, const float* b, int64_t P) {
  Floats sum{};
  for (int64_t c = 0; c < P; c += kLanes) sum += load(a + c) * load(b + c);
  return sum_lanes(sum);
}

// Sixteen sums over lanes at once: lane i of the result is the sum of rows[i], by four rounds that
// halve what is left to add.
inline Floats sum_rows(const Floats* rows) {
  Floats x[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = rows[i];
  // Round of distance d: lanes with bit d of the row pair come together.
  constexpr Ints kLow8 = {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
  constexpr Ints kHigh8 = {8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31};
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    x[i] = __builtin_shuffle(x[i], x[i + 8], kLow8) + __builtin_shuffle(x[i], x[i + 8], kHigh8);
  }
  constexpr Ints kLow4 = {0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27};
  constexpr Ints kHigh4 = {4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31};
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    x[i] = __builtin_shuffle(x[i], x[i + 4], kLow4) + __builtin_shuffle(x[i], x[i + 4], kHigh4);
  }
  constexpr Ints kLow2 = {0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29};
  constexpr Ints kHigh2 = {2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31};
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    x[i] = __builtin_shuffle(x[i], x[i + 2], kLow2) + __builtin_shuffle(x[i], x[i + 2], kHigh2);
  }
  constexpr Ints kLow1 = {0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30};
  constexpr Ints kHigh1 = {1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31};
  return __builtin_shuffle(x[0], x[1], kLow1) + __builtin_shuffle(x[0], x[1], kHigh1);
}

// Calls fn(width, first) on blocks of up to four vectors of the columns; `width` is a compile-time
// constant, so that the accumulators of a block live in registers.
template <int kWidth>
struct BlockWidth {
  static constexpr int value = kWidth;
};
template <typename Fn>
inline void for_column_blocks(int64_t P, const Fn& fn) {
  int64_t first = 0;
  for (; first + 4 * kLanes <= P; first += 4 * kLanes) fn(BlockWidth<4>(), first);
  const int64_t left = (P - first) / kLanes;
  if (left == 3) fn(BlockWidth<3>(), first);
  if (left == 2) fn(BlockWidth<2>(), first);
  if (left == 1) fn(BlockWidth<1>(), first);
}

}  // namespace rmkv::kernels::cpu
