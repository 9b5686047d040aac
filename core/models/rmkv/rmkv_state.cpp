// The state before the first token; see rmkv_state.h.
#include "core/models/rmkv/rmkv_state.h"

#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// A copy per lane: a view would change with the parameter.
Tensor per_lane(const Tensor& parameter, int64_t batch) {
  return parameter.unsqueeze(0).expand({batch, -1, -1}).clone();
}

}  // namespace

std::string layer_name(const std::string& kind, int64_t layer) {
  return kind + "." + std::to_string(layer + 1);
}

State rmkv_initial_state(const RmkvConfig& config, const RmkvWeights& weights, int64_t batch) {
  State state;
  state.set_counter("open", 0);
  if (config.commit == Commit::kPublished) {
    state.set("memory", per_lane(weights.initial, batch));
    return state;
  }
  const auto real = weights.embedding.options().requires_grad(false);
  state.set("tokens", at::zeros({batch}, real.dtype(at::kLong)));
  if (config.bridge > 0)
    state.set("bridge.visible", at::zeros({batch, config.bridge}, real.dtype(at::kBool)));
  for (int64_t l = 0; l < config.layers; ++l) {
    const RmkvLayer& layer = weights.layers[static_cast<size_t>(l)];
    if (config.bridge > 0) {
      state.set(layer_name("bridge", l),
                at::zeros({batch, config.bridge, 2 * config.channels}, real));
    }
    const auto rows_before = [&](const char* kind, const Tensor& weights) {
      if (!weights.defined()) return;
      state.set(layer_name(kind, l), at::zeros({batch, weights.size(0), config.channels}, real));
    };
    rows_before("shift", layer.shift);
    rows_before("ffn_shift", layer.ffn_shift);
    if (layer.slots) state.set(layer_name("memory", l), per_lane(layer.initial, batch));
    if (layer.initial_carry.defined())
      state.set(layer_name("carry", l), per_lane(layer.initial_carry, batch));
    if (layer.store) {
      state.set(layer_name("store", l), at::zeros({batch, config.store_head_count(),
                                                   config.store_key_dim(), config.store_head_dim()},
                                                  real));
      if (layer.store_mix.defined()) {
        state.set(layer_name("recent", l),
                  at::zeros({batch, config.store_convolution - 1, 2 * config.channels}, real));
      }
    }
  }
  return state;
}

}  // namespace rmkv
