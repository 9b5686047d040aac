// See rwkv_state.h.
#include "core/models/rwkv/rwkv_state.h"

#include "core/kernels/wkv.h"
#include "core/tensor/torch.h"

namespace rmkv {

std::string rwkv_block_name(int64_t layer, const std::string& rest) {
  return "blocks." + std::to_string(layer) + "." + rest;
}

namespace {

// Names of an RWKV state in the order of the flat vector.
std::vector<std::string> flat_order(const State& state, const char* where) {
  std::vector<std::string> names;
  for (int64_t layer = 0; state.has(rwkv_block_name(layer, "ffn.shift")); ++layer) {
    for (const char* part : {"ffn.shift", "att.shift", "att.state"}) {
      names.push_back(rwkv_block_name(layer, part));
    }
  }
  if (names.empty() || names.size() != state.tensors().size()) {
    fail(where, std::to_string(state.tensors().size()) + " tensors", "the state of an RWKV model");
  }
  return names;
}

}  // namespace

Tensor rwkv_flat_state(const State& state) {
  std::vector<Tensor> parts;
  for (const std::string& name : flat_order(state, "rwkv_flat_state")) {
    parts.push_back(state.get(name).detach().to(at::kFloat).flatten(1));
  }
  return at::cat(parts, 1);
}

void set_rwkv_flat_state(State& state, const Tensor& flat) {
  const auto names = flat_order(state, "set_rwkv_flat_state");
  std::vector<int64_t> sizes;
  int64_t total = 0;
  for (const std::string& name : names) {
    sizes.push_back(state.get(name).numel() / state.batch());
    total += sizes.back();
  }
  check_shape(flat, "set_rwkv_flat_state", {state.batch(), total}, "Bn");
  const auto parts = flat.split_with_sizes(sizes, 1);
  for (size_t i = 0; i < names.size(); ++i) {
    const Tensor& old = state.get(names[i]);
    state.set(names[i], parts[i].reshape(old.sizes()).to(old.options()).clone());
  }
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
