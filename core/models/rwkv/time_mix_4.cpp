// RWKV-4's time mix: a decaying weighted mean of values per channel, read through a sigmoid gate.
//
//   m_j = z mu_j + z_prev (1 - mu_j), j in {k, v, r};   k, v = W m;   r = sigmoid(W_r m_r)
//   out = W_o (r * wkv(k, v; w = -exp(time_decay), u = time_first))
//
// arXiv 2305.13048, section 3.1; rwkv-family.md, section 1.2.
#include "core/kernels/linear.h"
#include "core/kernels/token_shift.h"
#include "core/kernels/wkv.h"
#include "core/models/rwkv/mix_parts.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

class TimeMix4 : public RwkvMix {
 public:
  TimeMix4(const ParameterStore& store, int64_t layer) {
    const BlockParameters p(store, layer, "att.");
    shares_ = {p("time_mix_k"), p("time_mix_v"), p("time_mix_r")};
    key_ = p("key.weight");
    value_ = p("value.weight");
    receptance_ = p("receptance.weight");
    output_ = p("output.weight");
    output_bias_ = p.optional("output.bias");
    decay_ = p("time_decay");
    bonus_ = p("time_first");
    shift_name_ = p.state_name("shift");
    state_name_ = p.state_name("state");
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const Tensor difference = shifted(x, pass, shift_name_);
    // Stored shares are of the current row; mix_rows takes those of the row before.
    const auto mixed = kernels::mix_rows(x, difference, 1 - stacked(shares_)).unbind(0);
    const Tensor key = kernels::linear(mixed[0], key_), value = kernels::linear(mixed[1], value_);
    const Tensor receptance = kernels::apply_function(
        kernels::linear(mixed[2], receptance_), kernels::RowFunction::kSigmoid, x.scalar_type());
    auto [y, state] = kernels::wkv4(key, value, -widened(decay_).exp(), bonus_,
                                    pass.state.get(state_name_), pass.marks);
    pass.state.set(state_name_, state);
    return kernels::linear(receptance * y, output_, output_bias_);
  }

 private:
  std::vector<Tensor> shares_;                // k, v, r: [D]
  Tensor key_, value_, receptance_, output_;  // [D, D]
  Tensor output_bias_;                        // [D] or undefined
  Tensor decay_, bonus_;                      // [D]
  std::string shift_name_, state_name_;
};

}  // namespace

RwkvMixPtr make_time_mix_4(const RwkvConfig&, const ParameterStore& store, int64_t layer) {
  return std::make_unique<TimeMix4>(store, layer);
}

}  // namespace rmkv
