// See rwkv_state.h.
#include "core/models/rwkv/rwkv_state.h"

#include "core/kernels/wkv.h"
#include "core/tensor/torch.h"

namespace rmkv {

std::string rwkv_block_name(int64_t layer, const std::string& rest) {
  return "blocks." + std::to_string(layer) + "." + rest;
}

Tensor rwkv_reset_state(const RwkvConfig& config, const ParameterStore& parameters, int64_t layer) {
  if (!config.tuned_state) return {};
  // Published tuned states are [head, value, key], whatever the version computes with.
  const Tensor tuned = parameters.get(rwkv_block_name(layer, "att.time_state")).value;
  return config.version == 7 ? tuned : tuned.transpose(1, 2);
}

State rwkv_initial_state(const RwkvConfig& config, const ParameterStore& parameters,
                         int64_t batch) {
  const auto options = at::TensorOptions()
                           .dtype(parameters.dtype() == at::kDouble ? at::kDouble : at::kFloat)
                           .device(parameters.device());
  const int64_t D = config.channels, N = config.head_size;
  State state;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    for (const char* mix : {"att.shift", "ffn.shift"}) {
      state.set(rwkv_block_name(layer, mix), at::zeros({batch, D}, options));
    }
    const Tensor tuned = rwkv_reset_state(config, parameters, layer);
    state.set(rwkv_block_name(layer, "att.state"),
              config.version == 4 ? kernels::wkv4_empty_state(batch, D, options)
              : tuned.defined()   ? tuned.unsqueeze(0).expand({batch, -1, -1, -1}).contiguous()
                                  : at::zeros({batch, config.heads(), N, N}, options));
  }
  return state;
}

}  // namespace rmkv
