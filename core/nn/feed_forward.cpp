// See feed_forward.h.
#include "core/nn/feed_forward.h"

#include "core/kernels/activation.h"
#include "core/tensor/torch.h"

namespace rmkv {

int64_t feed_forward_width(int64_t channels) {
  constexpr int64_t kMultiple = 64;
  return (8 * channels / 3 + kMultiple - 1) / kMultiple * kMultiple;
}

FeedForward declare_feed_forward(ParameterStore& store, const Initialiser& initial,
                                 const std::string& name, int64_t channels, int64_t width,
                                 double deviation, double down_deviation) {
  FeedForward layer;
  layer.gate_up =
      declare_linear(store, initial, name + ".gate_up", channels, 2 * width, deviation, false);
  layer.down =
      declare_linear(store, initial, name + ".down", width, channels, down_deviation, false);
  return layer;
}

Tensor apply_feed_forward(const ParameterStore& store, const FeedForward& layer, const Tensor& x) {
  return apply_linear(store, layer.down, kernels::swiglu(apply_linear(store, layer.gate_up, x)));
}

}  // namespace rmkv
