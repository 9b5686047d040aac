// See mix_parts.h.
#include "core/models/rwkv/mix_parts.h"

#include "core/kernels/linear.h"
#include "core/kernels/token_shift.h"
#include "core/models/rwkv/rwkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {

BlockParameters::BlockParameters(const ParameterStore& store, int64_t layer,
                                 const std::string& half)
    : store_(store), prefix_(rwkv_block_name(layer, half)) {}

const Tensor& BlockParameters::operator()(const std::string& name) const {
  return store_.get(prefix_ + name).value;
}

Tensor BlockParameters::optional(const std::string& name) const {
  return store_.has(prefix_ + name) ? (*this)(name) : Tensor();
}

Tensor shifted(const Tensor& x, RwkvPass& pass, const std::string& state_name) {
  auto [difference, last] = kernels::token_shift(x, pass.state.get(state_name), pass.marks);
  pass.state.set(state_name, last);
  return difference;
}

Tensor stacked(const std::vector<Tensor>& mixtures) {
  return at::stack(mixtures);
}

Tensor low_rank(const Tensor& x, const Tensor& first, const Tensor& second,
                std::optional<kernels::RowFunction> function) {
  Tensor inner = kernels::linear(x, first.t());
  if (function) inner = kernels::apply_function(inner, *function, inner.scalar_type());
  return kernels::linear(inner, second.t());
}

at::ScalarType state_dtype(const Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

Tensor widened(const Tensor& x) {
  return x.to(state_dtype(x));
}

HeadMix::HeadMix(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
    : config_(config), store_(store), layer_(layer) {
  const BlockParameters p(store, layer, "att.");
  receptance = p("receptance.weight");
  key = p("key.weight");
  value = p("value.weight");
  output_ = p("output.weight");
  output_bias_ = p.optional("output.bias");
  norm_weight_ = p("ln_x.weight");
  norm_bias_ = p("ln_x.bias");
  shift_name_ = p.state_name("shift");
  state_name_ = p.state_name("state");
}

Tensor HeadMix::difference(const Tensor& x, RwkvPass& pass) const {
  return shifted(x, pass, shift_name_);
}

Tensor HeadMix::heads(const Tensor& rows) const {
  return rows.view({rows.size(0), rows.size(1), config_.heads(), config_.head_size});
}

Tensor HeadMix::reset() const {
  return rwkv_reset_state(config_, store_, layer_);
}

kernels::HeadOutput HeadMix::read(const std::pair<Tensor, Tensor>& y_and_state, const Tensor& gate,
                                  RwkvPass& pass) const {
  pass.state.set(state_name_, y_and_state.second);
  kernels::HeadOutput out;
  out.y = y_and_state.first;
  out.gate = gate;
  out.weight = norm_weight_;
  out.bias = norm_bias_;
  out.epsilon = config_.group_norm_epsilon;
  return out;
}

Tensor HeadMix::output(const kernels::HeadOutput& read) const {
  return kernels::linear(kernels::head_output(read), output_, output_bias_);
}

RwkvMixPtr make_time_mix(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  switch (config.version) {
    case 4:
      return make_time_mix_4(config, store, layer);
    case 5:
      return make_time_mix_5(config, store, layer);
    case 6:
      return make_time_mix_6(config, store, layer);
    default:
      return make_time_mix_7(config, store, layer);
  }
}

}  // namespace rmkv
