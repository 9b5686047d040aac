// See row_product.h.  Tiles of four rows by four outputs share their loads; the order of each sum
// is the same in a tile of any size.
#include "core/kernels/cpu/row_product.h"

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {
namespace {

constexpr int64_t kTile = 4;
constexpr int64_t kOutputBlock = 64;  // outputs per piece of work: their weights stay in cache

template <typename T, int kRows, int kOutputs>
void tile(const T* x, const T* w, const float* bias, T* out, int64_t I, int64_t O) {
  Floats sums[kRows][kOutputs] = {};
  for (int64_t i = 0; i < I; i += kLanes) {
    const int64_t left = I - i;
    Floats weight[kOutputs];
    for (int o = 0; o < kOutputs; ++o) weight[o] = load_some(w + o * I + i, left);
    for (int r = 0; r < kRows; ++r) {
      const Floats row = load_some(x + r * I + i, left);
      for (int o = 0; o < kOutputs; ++o) sums[r][o] += row * weight[o];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      out[r * O + o] = static_cast<T>(sum_lanes(sums[r][o]) + (bias ? bias[o] : 0.0f));
    }
  }
}

template <typename T, int kOutputs>
void rows_of_tile(const T* x, const T* w, const float* bias, T* out, int64_t rows, int64_t I,
                  int64_t O) {
  int64_t r = 0;
  for (; r + kTile <= rows; r += kTile) {
    tile<T, kTile, kOutputs>(x + r * I, w, bias, out + r * O, I, O);
  }
  for (; r < rows; ++r) tile<T, 1, kOutputs>(x + r * I, w, bias, out + r * O, I, O);
}

}  // namespace

template <typename T>
void row_product(const T* x, const T* w, const float* bias, T* out, int64_t rows, int64_t I,
                 int64_t O) {
  const int64_t blocks = (O + kOutputBlock - 1) / kOutputBlock;
  parallel_for(blocks, grain_of(rows * I * kOutputBlock), [&](int64_t begin, int64_t end) {
    int64_t o = begin * kOutputBlock;
    const int64_t last = std::min(end * kOutputBlock, O);
    for (; o + kTile <= last; o += kTile) {
      rows_of_tile<T, kTile>(x, w + o * I, bias ? bias + o : nullptr, out + o, rows, I, O);
    }
    for (; o < last; ++o) {
      rows_of_tile<T, 1>(x, w + o * I, bias ? bias + o : nullptr, out + o, rows, I, O);
    }
  });
}

template void row_product(const float*, const float*, const float*, float*, int64_t, int64_t,
                          int64_t);
template void row_product(const bf16*, const bf16*, const float*, bf16*, int64_t, int64_t, int64_t);

}  // namespace rmkv::kernels::cpu
