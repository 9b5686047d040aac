// See engine_rows.h.
#include "core/models/rwkv/engine_rows.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/cpu/vector.h"

namespace rmkv::engine {

using namespace kernels::cpu;

void norm_row(const float* x, const EngineNorm& norm, int64_t channels, float* to) {
  Floats total{};
  for (int64_t c = 0; c < channels; c += kLanes) total += load_some(x + c, channels - c);
  const float mean = sum_lanes(total) / static_cast<float>(channels);
  Floats squares{};
  for (int64_t c = 0; c < channels; c += kLanes) {
    store(to + c, load(x + c) - mean);
    const Floats centred = load_some(to + c, channels - c);
    squares += centred * centred;
  }
  const float scale =
      1.0f / std::sqrt(sum_lanes(squares) / static_cast<float>(channels) + kNormEpsilon);
  for (int64_t c = 0; c < channels; c += kLanes) {
    // Weight and bias are zero beyond the row, so its padding becomes zero too.
    store(to + c, load(to + c) * scale * load(norm.weight.data() + c) + load(norm.bias.data() + c));
  }
}

void shift_row(const float* z, const float* previous, const EngineVector& share, int64_t channels,
               float* to) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const Floats now = load(z + c);
    store(to + c, now + (load_some(previous + c, channels - c) - now) * load(share.data() + c));
  }
}

void shift_columns(const float* z, const float* previous, const EngineVector& share,
                   const float* correction, int64_t first, int64_t count, float* to) {
  for (int64_t c = first; c < first + count; c += kLanes) {
    const int64_t left = first + count - c;
    const Floats now = load(z + c);
    const Floats weight = load(share.data() + c) + load_some(correction + c, left);
    store_some(to + c, now + (load_some(previous + c, left) - now) * weight, left);
  }
}

void activate(Activation activation, float* x, int64_t count) {
  if (activation == Activation::kNone) return;
  for (int64_t c = 0; c < count; c += kLanes) {
    const Floats v = load(x + c);
    if (activation == Activation::kTanh) {
      store(x + c, hyperbolic_tangent(v));
    } else if (activation == Activation::kSigmoid) {
      store(x + c, sigmoid(v));
    } else {
      const Floats positive = v < Floats{} ? Floats{} : v;  // NaN passes
      store(x + c, positive * positive);
    }
  }
}

void add_columns(float* x, const float* y, const float* scale, const EngineVector& bias,
                 int64_t first, int64_t count) {
  for (int64_t c = first; c < first + count; c += kLanes) {
    Floats value = load(y + c);
    if (scale) value *= load(scale + c);
    if (!bias.empty()) value += load(bias.data() + c);
    store(x + c, load(x + c) + value);
  }
}

}  // namespace rmkv::engine
