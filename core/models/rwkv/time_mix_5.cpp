// RWKV-5's time mix in its three forms: a matrix memory per head with a constant decay.
//
//   m_j = z mu_j + z_prev (1 - mu_j);   r, k, v = W m (no sigmoid);   g = silu(W_g m_g)
//   y = wkv(r, k, v; w = exp(-exp(time_decay)), u);   out = W_o (GroupNorm_H(y) * g)
//
// 5.0: one decay and one bonus exp(time_first) per head, no gate; 5.1: gate, bonus time_faaaa per
// head; 5.2: decay and bonus per channel.  arXiv 2404.05892, section 4.1; rwkv-family.md, 1.3.
#include "core/kernels/linear.h"
#include "core/kernels/token_shift.h"
#include "core/kernels/wkv.h"
#include "core/models/rwkv/mix_parts.h"
#include "core/models/rwkv/rwkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

class TimeMix5 : public RwkvMix {
 public:
  TimeMix5(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
      : config_(config), store_(store), layer_(layer) {
    const BlockParameters p(store, layer, "att.");
    shares_ = {p("time_mix_r"), p("time_mix_k"), p("time_mix_v")};
    receptance_ = p("receptance.weight");
    key_ = p("key.weight");
    value_ = p("value.weight");
    output_ = p("output.weight");
    output_bias_ = p.has("output.bias") ? p("output.bias") : Tensor();
    if (config.minor > 0) {
      shares_.push_back(p("time_mix_g"));
      gate_ = p("gate.weight");
    }
    norm_weight_ = p("ln_x.weight");
    norm_bias_ = p("ln_x.bias");
    decay_ = p("time_decay");
    bonus_ = p(config.minor == 0 ? "time_first" : "time_faaaa");
    shift_name_ = p.state_name("shift");
    state_name_ = p.state_name("state");
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const int64_t B = x.size(0), T = x.size(1), H = config_.heads(), N = config_.head_size;
    const Tensor difference = shifted(x, pass, shift_name_);
    const auto mixed = kernels::mix_rows(x, difference, 1 - stacked(shares_)).unbind(0);
    const auto heads = [&](const Tensor& rows, const Tensor& weight) {
      return kernels::linear(rows, weight).view({B, T, H, N});
    };
    const Tensor raw_bonus = config_.minor == 0 ? bonus_.exp() : bonus_;
    auto [y, state] = kernels::wkv(heads(mixed[0], receptance_), heads(mixed[1], key_),
                                   heads(mixed[2], value_), per_channel((-decay_.exp()).exp()),
                                   per_channel(raw_bonus), pass.state.get(state_name_),
                                   rwkv_reset_state(config_, store_, layer_), pass.marks);
    pass.state.set(state_name_, state);
    kernels::HeadOutput out;
    out.y = y;
    out.weight = norm_weight_;
    out.bias = norm_bias_;
    out.epsilon = config_.group_norm_epsilon;
    if (gate_.defined()) {
      out.gate = kernels::apply_function(kernels::linear(mixed[3], gate_),
                                         kernels::RowFunction::kSilu, x.scalar_type());
    }
    return kernels::linear(kernels::head_output(out), output_, output_bias_);
  }

 private:
  // [H] or [H, N] -> [H, N].
  Tensor per_channel(const Tensor& values) const {
    return values.dim() == 2 ? values
                             : values.unsqueeze(1).expand({config_.heads(), config_.head_size});
  }

  RwkvConfig config_;
  const ParameterStore& store_;
  int64_t layer_;
  std::vector<Tensor> shares_;                // r, k, v and g: [D]
  Tensor receptance_, key_, value_, output_;  // [D, D]
  Tensor gate_;                               // [D, D], undefined in 5.0
  Tensor output_bias_;                        // [D] or undefined
  Tensor norm_weight_, norm_bias_;            // [D]
  Tensor decay_, bonus_;                      // [H] or [H, N]
  std::string shift_name_, state_name_;
};

}  // namespace

RwkvMixPtr make_time_mix_5(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  return std::make_unique<TimeMix5>(config, store, layer);
}

}  // namespace rmkv
