// See cell.h.
#include "core/kernels/cpu/cell.h"

#include <algorithm>

#include "core/kernels/cpu/parallel.h"
#include "core/kernels/cpu/vector.h"

namespace rmkv::kernels::cpu {
namespace {

// Calls fn(row, channel, count) for every vector of lanes of [N, C].
template <typename Fn>
void for_row_lanes(int64_t rows, int64_t channels, const Fn& fn) {
  parallel_for(rows, 32, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      for (int64_t c = 0; c < channels; c += kLanes) {
        fn(n, c, std::min(kLanes, channels - c));
      }
    }
  });
}

}  // namespace

template <typename T>
void gru_forward(const T* input, const T* recurrent, const float* hidden, float* next, int64_t rows,
                 int64_t channels) {
  for_row_lanes(rows, channels, [&](int64_t n, int64_t c, int64_t count) {
    const T* in = input + n * 3 * channels + c;
    const T* rec = recurrent + n * 3 * channels + c;
    const Floats reset = sigmoid(load_some(in, count) + load_some(rec, count));
    const Floats keep = sigmoid(load_some(in + channels, count) + load_some(rec + channels, count));
    const Floats candidate = hyperbolic_tangent(load_some(in + 2 * channels, count) +
                                                reset * load_some(rec + 2 * channels, count));
    const Floats old = load_some(hidden + n * channels + c, count);
    store_some(next + n * channels + c, keep * old + (1.0f - keep) * candidate, count);
  });
}

template <typename T>
void gru_backward(const T* input, const T* recurrent, const float* hidden, const float* grad_next,
                  T* grad_input, T* grad_recurrent, float* grad_hidden, int64_t rows,
                  int64_t channels) {
  for_row_lanes(rows, channels, [&](int64_t n, int64_t c, int64_t count) {
    const int64_t at = n * 3 * channels + c;
    const T* in = input + at;
    const T* rec = recurrent + at;
    const Floats reset = sigmoid(load_some(in, count) + load_some(rec, count));
    const Floats keep = sigmoid(load_some(in + channels, count) + load_some(rec + channels, count));
    const Floats from_memory = load_some(rec + 2 * channels, count);
    const Floats candidate =
        hyperbolic_tangent(load_some(in + 2 * channels, count) + reset * from_memory);
    const Floats old = load_some(hidden + n * channels + c, count);
    const Floats grad = load_some(grad_next + n * channels + c, count);
    const Floats of_keep = grad * (old - candidate) * keep * (1.0f - keep);
    const Floats of_candidate = grad * (1.0f - keep) * (1.0f - candidate * candidate);
    const Floats of_reset = of_candidate * from_memory * reset * (1.0f - reset);
    store_some(grad_input + at, of_reset, count);
    store_some(grad_input + at + channels, of_keep, count);
    store_some(grad_input + at + 2 * channels, of_candidate, count);
    store_some(grad_recurrent + at, of_reset, count);
    store_some(grad_recurrent + at + channels, of_keep, count);
    store_some(grad_recurrent + at + 2 * channels, of_candidate * reset, count);
    store_some(grad_hidden + n * channels + c, grad * keep, count);
  });
}

template <typename T>
void minimal_forward(const T* gates, const float* hidden, float* next, int64_t rows,
                     int64_t channels, bool bounded) {
  for_row_lanes(rows, channels, [&](int64_t n, int64_t c, int64_t count) {
    const Floats keep = sigmoid(load_some(gates + n * 2 * channels + c, count));
    const Floats raw = load_some(gates + n * 2 * channels + channels + c, count);
    const Floats candidate = bounded ? hyperbolic_tangent(raw) : raw * sigmoid(raw);
    const Floats old = load_some(hidden + n * channels + c, count);
    store_some(next + n * channels + c, keep * old + (1.0f - keep) * candidate, count);
  });
}

template <typename T>
void minimal_backward(const T* gates, const float* hidden, const float* grad_next, T* grad_gates,
                      float* grad_hidden, int64_t rows, int64_t channels, bool bounded) {
  for_row_lanes(rows, channels, [&](int64_t n, int64_t c, int64_t count) {
    const int64_t at = n * 2 * channels + c;
    const Floats keep = sigmoid(load_some(gates + at, count));
    const Floats raw = load_some(gates + at + channels, count);
    Floats candidate, slope;
    if (bounded) {
      candidate = hyperbolic_tangent(raw);
      slope = 1.0f - candidate * candidate;
    } else {
      const Floats open = sigmoid(raw);
      candidate = raw * open;
      slope = open * (1.0f + raw * (1.0f - open));
    }
    const Floats old = load_some(hidden + n * channels + c, count);
    const Floats grad = load_some(grad_next + n * channels + c, count);
    store_some(grad_gates + at, grad * (old - candidate) * keep * (1.0f - keep), count);
    store_some(grad_gates + at + channels, grad * (1.0f - keep) * slope, count);
    store_some(grad_hidden + n * channels + c, grad * keep, count);
  });
}

template void gru_forward<float>(const float*, const float*, const float*, float*, int64_t,
                                 int64_t);
template void gru_forward<bf16>(const bf16*, const bf16*, const float*, float*, int64_t, int64_t);
template void gru_backward<float>(const float*, const float*, const float*, const float*, float*,
                                  float*, float*, int64_t, int64_t);
template void gru_backward<bf16>(const bf16*, const bf16*, const float*, const float*, bf16*, bf16*,
                                 float*, int64_t, int64_t);
template void minimal_forward<float>(const float*, const float*, float*, int64_t, int64_t, bool);
template void minimal_forward<bf16>(const bf16*, const float*, float*, int64_t, int64_t, bool);
template void minimal_backward<float>(const float*, const float*, const float*, float*, float*,
                                      int64_t, int64_t, bool);
template void minimal_backward<bf16>(const bf16*, const float*, const float*, bf16*, float*,
                                     int64_t, int64_t, bool);

}  // namespace rmkv::kernels::cpu
