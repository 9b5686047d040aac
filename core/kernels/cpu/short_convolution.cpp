// See short_convolution.h.  A lane walks over its rows with a window of pointers: to the rows
// before (forward) or to the gradients of the rows behind (backward), so rows are read where they
// are, and resets and padding only change the window.
#include "core/kernels/cpu/short_convolution.h"

#include <array>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/short_convolution.h"

namespace rmkv::kernels::cpu {
namespace {

// The rows nearest to a token in one direction, the nearest first; null: nothing there.
template <typename T>
class Window {
 public:
  explicit Window(int64_t rows) : rows_(rows) {}
  void push(const T* row) {
    for (int64_t j = rows_ - 1; j > 0; --j) at_[size_t(j)] = at_[size_t(j - 1)];
    at_[0] = row;
  }
  void clear() { at_.fill(nullptr); }
  const T* operator[](int64_t j) const { return at_[size_t(j)]; }

 private:
  int64_t rows_;
  std::array<const T*, kMostConvolutionRows> at_{};
};

// out = base + sum_j weights_j window_j + extra; base and extra may be null.
template <typename T>
void weighted_sum(const ConvolutionShape& s, const T* base, const float* weights,
                  const Window<T>& window, const T* extra, T* out) {
  for (int64_t c = 0; c < s.channels; c += kLanes) {
    const int64_t count = s.channels - c;
    Floats sum = base ? load_some(base + c, count) : Floats{};
    for (int64_t j = 0; j < s.rows; ++j) {
      if (window[j])
        sum += load_some(weights + j * s.channels + c, count) * load_some(window[j] + c, count);
    }
    if (extra) sum += load_some(extra + c, count);
    store_some(out + c, sum, count);
  }
}

// sums_j += g window_j.
template <typename T>
void add_products(const ConvolutionShape& s, const T* g, const Window<T>& window, float* sums) {
  for (int64_t j = 0; j < s.rows; ++j) {
    if (!window[j]) continue;
    float* to = sums + j * s.channels;
    for (int64_t c = 0; c < s.channels; c += kLanes) {
      const int64_t count = s.channels - c;
      store_some(
          to + c,
          load_some(to + c, count) + load_some(g + c, count) * load_some(window[j] + c, count),
          count);
    }
  }
}

template <typename T>
void copy_or_zero(const T* from, int64_t count, T* to) {
  if (from) {
    std::memcpy(static_cast<void*>(to), from, static_cast<size_t>(count) * sizeof(T));
  } else {
    std::memset(static_cast<void*>(to), 0, static_cast<size_t>(count) * sizeof(T));
  }
}

template <typename T>
Window<T> window_before(const ConvolutionShape& s, const T* recent) {
  Window<T> window(s.rows);
  for (int64_t i = 0; i < s.rows; ++i) window.push(recent + i * s.channels);
  return window;
}

template <typename T>
void lane_forward(const ConvolutionShape& s, const T* x, const T* recent, const float* weights,
                  const uint8_t* marks, T* out, T* last) {
  Window<T> window = window_before(s, recent);
  for (int64_t t = 0; t < s.tokens; ++t) {
    const uint8_t mark = marks ? marks[t] : 0;
    const T* row = x + t * s.channels;
    if (mark & kMarkReset) window.clear();
    if (mark & kMarkSkip) {
      copy_or_zero(row, s.channels, out + t * s.channels);
      continue;
    }
    weighted_sum<T>(s, row, weights, window, nullptr, out + t * s.channels);
    window.push(row);
  }
  for (int64_t i = 0; i < s.rows; ++i)
    copy_or_zero(window[s.rows - 1 - i], s.channels, last + i * s.channels);
}

template <typename T>
void lane_backward(const ConvolutionShape& s, const T* x, const T* recent, const float* weights,
                   const uint8_t* marks, const T* grad_out, const T* grad_last, T* grad_x,
                   T* grad_recent, float* grad_weights) {
  const int64_t C = s.channels;
  std::memset(grad_weights, 0, static_cast<size_t>(s.rows * C) * sizeof(float));
  Window<T> before = window_before(s, recent);
  for (int64_t t = 0; t < s.tokens; ++t) {
    const uint8_t mark = marks ? marks[t] : 0;
    if (mark & kMarkReset) before.clear();
    if (mark & kMarkSkip) continue;
    add_products(s, grad_out + t * C, before, grad_weights);
    before.push(x + t * C);
  }
  Window<T> behind(s.rows);
  int64_t place = 0;  // among the newest rows of the block: the newest is 0
  // What the newest W rows get from being handed on.
  const auto handed_on = [&]() -> const T* {
    return grad_last && place < s.rows ? grad_last + (s.rows - 1 - place) * C : nullptr;
  };
  for (int64_t t = s.tokens - 1; t >= 0; --t) {
    const uint8_t mark = marks ? marks[t] : 0;
    const T* g = grad_out + t * C;
    if (mark & kMarkSkip) {
      copy_or_zero(g, C, grad_x + t * C);
    } else {
      weighted_sum(s, g, weights, behind, handed_on(), grad_x + t * C);
      behind.push(g);
      ++place;
    }
    if (mark & kMarkReset) {
      behind.clear();
      place = s.rows;
    }
  }
  for (int64_t i = s.rows - 1; i >= 0; --i) {
    weighted_sum<T>(s, nullptr, weights, behind, handed_on(), grad_recent + i * C);
    behind.push(nullptr);
    ++place;
  }
}

}  // namespace

template <typename T>
void convolution_forward(const ConvolutionShape& s, const T* x, const T* recent,
                         const float* weights, const uint8_t* marks, T* out, T* last) {
  const int64_t block = s.tokens * s.channels, held = s.rows * s.channels;
  parallel_for(s.lanes, grain_of(block * s.rows), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      lane_forward(s, x + b * block, recent + b * held, weights,
                   marks ? marks + b * s.tokens : nullptr, out + b * block, last + b * held);
    }
  });
}

template <typename T>
void convolution_backward(const ConvolutionShape& s, const T* x, const T* recent,
                          const float* weights, const uint8_t* marks, const T* grad_out,
                          const T* grad_last, T* grad_x, T* grad_recent, float* grad_weights) {
  const int64_t block = s.tokens * s.channels, held = s.rows * s.channels;
  parallel_for(s.lanes, grain_of(2 * block * s.rows), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      lane_backward(s, x + b * block, recent + b * held, weights,
                    marks ? marks + b * s.tokens : nullptr, grad_out + b * block,
                    grad_last ? grad_last + b * held : nullptr, grad_x + b * block,
                    grad_recent + b * held, grad_weights + b * held);
    }
  });
}

template void convolution_forward(const ConvolutionShape&, const float*, const float*, const float*,
                                  const uint8_t*, float*, float*);
template void convolution_forward(const ConvolutionShape&, const bf16*, const bf16*, const float*,
                                  const uint8_t*, bf16*, bf16*);
template void convolution_backward(const ConvolutionShape&, const float*, const float*,
                                   const float*, const uint8_t*, const float*, const float*, float*,
                                   float*, float*);
template void convolution_backward(const ConvolutionShape&, const bf16*, const bf16*, const float*,
                                   const uint8_t*, const bf16*, const bf16*, bf16*, bf16*, float*);

}  // namespace rmkv::kernels::cpu
