// See matrix_vector.h.  Sixteen outputs at a time: their partial sums are folded together, three
// instructions an output instead of fifteen.
#include "core/kernels/cpu/matrix_vector.h"

#include <algorithm>

#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {
namespace {

constexpr int kOutputs = 16;
// How far ahead of the arithmetic a row's weights are asked for: the next tile's.
constexpr int64_t kAheadRows = kOutputs;

// Folds lanes of a and b that differ in bit `Bit` of their number: a's sums to the lanes where the
// bit is clear, b's where it is set.
template <int Bit>
inline Floats fold(Floats a, Floats b) {
  constexpr int s = Bit;
  const auto pick = [](int lane, bool second) constexpr {
    // Lane `lane` takes from a or b (16 ..) by its own bit; partner lane by flipping it.
    const int source = second ? lane ^ s : lane;
    return (lane & s) ? source + 16 : source;
  };
  const Ints same{pick(0, false),  pick(1, false),  pick(2, false),  pick(3, false),
                  pick(4, false),  pick(5, false),  pick(6, false),  pick(7, false),
                  pick(8, false),  pick(9, false),  pick(10, false), pick(11, false),
                  pick(12, false), pick(13, false), pick(14, false), pick(15, false)};
  const Ints partner{pick(0, true),  pick(1, true),  pick(2, true),  pick(3, true),
                     pick(4, true),  pick(5, true),  pick(6, true),  pick(7, true),
                     pick(8, true),  pick(9, true),  pick(10, true), pick(11, true),
                     pick(12, true), pick(13, true), pick(14, true), pick(15, true)};
  return __builtin_shuffle(a, b, same) + __builtin_shuffle(a, b, partner);
}

// Lane o of the result is the sum of the lanes of sums[o].
inline Floats fold_all(Floats (&sums)[kOutputs]) {
#pragma GCC unroll 8
  for (int o = 0; o < 8; ++o) sums[o] = fold<8>(sums[o], sums[o + 8]);
#pragma GCC unroll 4
  for (int o = 0; o < 4; ++o) sums[o] = fold<4>(sums[o], sums[o + 4]);
#pragma GCC unroll 2
  for (int o = 0; o < 2; ++o) sums[o] = fold<2>(sums[o], sums[o + 2]);
  return fold<1>(sums[0], sums[1]);
}

}  // namespace

void matrix_vector(const float* w, int64_t stride, const float* x, int64_t inputs, int64_t first,
                   int64_t last, float* y, bool add) {
  const int64_t whole = inputs / kLanes * kLanes;
  for (int64_t o = first; o < last; o += kOutputs) {
    const int64_t count = std::min<int64_t>(kOutputs, last - o);
    const float* rows[kOutputs];
    // The last row stands in for those that are not there.
    for (int r = 0; r < kOutputs; ++r) {
      rows[r] = w + std::min<int64_t>(o + r, last - 1) * stride;
    }
    Floats sums[kOutputs] = {};
    for (int64_t i = 0; i < whole; i += kLanes) {
      const Floats value = load(x + i);
#pragma GCC unroll 16
      for (int r = 0; r < kOutputs; ++r) {
        __builtin_prefetch(rows[r] + i + kAheadRows * stride, 0, 3);
        sums[r] += value * load(rows[r] + i);
      }
    }
    if (whole < inputs) {
      const Floats value = load_some(x + whole, inputs - whole);
      for (int r = 0; r < kOutputs; ++r) {
        sums[r] += value * load_some(rows[r] + whole, inputs - whole);
      }
    }
    const Floats result = fold_all(sums);
    store_some(y + o, add ? load_some(y + o, count) + result : result, count);
  }
}

}  // namespace rmkv::kernels::cpu
