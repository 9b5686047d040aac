// See token_shift.h.  Threads take columns, so that sums over rows need no second pass.
#include "core/kernels/cpu/token_shift.h"

#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {
namespace {

// Calls fn(first column, columns) on blocks of sixteen columns, over threads.
void for_columns(int64_t channels, int64_t work, const std::function<void(int64_t, int64_t)>& fn) {
  const int64_t blocks = (channels + kLanes - 1) / kLanes;
  parallel_for(blocks, grain_of(work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      fn(i * kLanes, std::min(kLanes, channels - i * kLanes));
    }
  });
}

// Rows per pass over the columns of a thread: a pass stays in the first-level cache.
constexpr int64_t kPassRows = 64;

}  // namespace

template <typename T>
void shift_forward(const ShiftShape& s, const T* x, const float* previous, const uint8_t* marks,
                   T* difference, float* last) {
  const int64_t C = s.channels;
  for_columns(C, s.lanes * s.tokens * kLanes, [&](int64_t c, int64_t count) {
    for (int64_t b = 0; b < s.lanes; ++b) {
      Floats before = load_some(previous + b * C + c, count);
      for (int64_t t = 0; t < s.tokens; ++t) {
        const uint8_t mark = mark_at(marks, b * s.tokens + t);
        const int64_t at = (b * s.tokens + t) * C + c;
        if (mark & kMarkReset) before = Floats{};
        if (mark & kMarkSkip) {
          store_some(difference + at, Floats{}, count);
          continue;
        }
        const Floats row = load_some(x + at, count);
        store_some(difference + at, before - row, count);
        before = row;
      }
      store_some(last + b * C + c, before, count);
    }
  });
}

template <typename T>
void shift_backward(const ShiftShape& s, const T* grad_difference, const float* grad_last,
                    const uint8_t* marks, T* grad_x, float* grad_previous) {
  const int64_t C = s.channels;
  for_columns(C, s.lanes * s.tokens * kLanes, [&](int64_t c, int64_t count) {
    for (int64_t b = 0; b < s.lanes; ++b) {
      // What the row before the token at hand gets from all that comes after it.
      Floats owed = grad_last ? load_some(grad_last + b * C + c, count) : Floats{};
      for (int64_t t = s.tokens - 1; t >= 0; --t) {
        const uint8_t mark = mark_at(marks, b * s.tokens + t);
        const int64_t at = (b * s.tokens + t) * C + c;
        if (mark & kMarkSkip) {
          store_some(grad_x + at, Floats{}, count);
        } else {
          const Floats g = load_some(grad_difference + at, count);
          store_some(grad_x + at, owed - g, count);
          owed = g;
        }
        if (mark & kMarkReset) owed = Floats{};
      }
      store_some(grad_previous + b * C + c, owed, count);
    }
  });
}

template <typename T>
void mix_forward(int64_t rows, int64_t C, int64_t mixtures, const T* x, const T* difference,
                 const float* mixes, const T* deltas, T* out) {
  for_columns(C, rows * mixtures * kLanes, [&](int64_t c, int64_t count) {
    for (int64_t first = 0; first < rows; first += kPassRows) {
      const int64_t end = std::min(first + kPassRows, rows);
      for (int64_t j = 0; j < mixtures; ++j) {
        const Floats mix = load_some(mixes + j * C + c, count);
        for (int64_t t = first; t < end; ++t) {
          const int64_t from = t * C + c, to = (j * rows + t) * C + c;
          const Floats share = deltas ? mix + load_some(deltas + to, count) : mix;
          store_some(out + to,
                     load_some(x + from, count) + load_some(difference + from, count) * share,
                     count);
        }
      }
    }
  });
}

template <typename T>
void mix_backward(int64_t rows, int64_t C, int64_t mixtures, const T* difference,
                  const float* mixes, const T* deltas, const T* grad_out, T* grad_x,
                  T* grad_difference, float* grad_mixes, T* grad_deltas) {
  for_columns(C, 2 * rows * mixtures * kLanes, [&](int64_t c, int64_t count) {
    std::vector<Floats> sums(static_cast<size_t>(mixtures));
    for (int64_t t = 0; t < rows; ++t) {
      const Floats d = load_some(difference + t * C + c, count);
      Floats for_x{}, for_d{};
      for (int64_t j = 0; j < mixtures; ++j) {
        const int64_t at = (j * rows + t) * C + c;
        const Floats g = load_some(grad_out + at, count), mix = load_some(mixes + j * C + c, count);
        const Floats share = deltas ? mix + load_some(deltas + at, count) : mix;
        const Floats for_share = g * d;
        for_x += g;
        for_d += g * share;
        sums[static_cast<size_t>(j)] += for_share;
        if (grad_deltas) store_some(grad_deltas + at, for_share, count);
      }
      store_some(grad_x + t * C + c, for_x, count);
      store_some(grad_difference + t * C + c, for_d, count);
    }
    for (int64_t j = 0; j < mixtures; ++j) {
      store_some(grad_mixes + j * C + c, sums[static_cast<size_t>(j)], count);
    }
  });
}

template void shift_forward(const ShiftShape&, const float*, const float*, const uint8_t*, float*,
                            float*);
template void shift_forward(const ShiftShape&, const bf16*, const float*, const uint8_t*, bf16*,
                            float*);
template void shift_backward(const ShiftShape&, const float*, const float*, const uint8_t*, float*,
                             float*);
template void shift_backward(const ShiftShape&, const bf16*, const float*, const uint8_t*, bf16*,
                             float*);
template void mix_forward(int64_t, int64_t, int64_t, const float*, const float*, const float*,
                          const float*, float*);
template void mix_forward(int64_t, int64_t, int64_t, const bf16*, const bf16*, const float*,
                          const bf16*, bf16*);
template void mix_backward(int64_t, int64_t, int64_t, const float*, const float*, const float*,
                           const float*, float*, float*, float*, float*);
template void mix_backward(int64_t, int64_t, int64_t, const bf16*, const float*, const bf16*,
                           const bf16*, bf16*, bf16*, float*, bf16*);

}  // namespace rmkv::kernels::cpu
