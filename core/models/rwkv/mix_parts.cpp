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

bool BlockParameters::has(const std::string& name) const {
  return store_.has(prefix_ + name);
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
