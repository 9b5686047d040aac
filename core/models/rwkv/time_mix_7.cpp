// RWKV-7's time mix: a matrix memory per head whose content is rewritten by a generalised delta
// rule.
//
//   d = z_prev - z;   x_j = z + d x_j, j in {r, w, k, v, a, g};   r, k, v = W x
//   w = exp(-e^(-1/2) sigmoid(w0 + tanh(x_w w1) w2));   a = sigmoid(a0 + (x_a a1) a2)
//   g = sigmoid(x_g g1) g2;   v += (v_first - v) sigmoid(v0 + (x_v v1) v2) above layer 0
//   kappa = k * k_k normalised per head;   k <- k (1 + (a - 1) k_a)
//   y = wkv7(r, w, k, v, -kappa, kappa a)
//   out = W_o ((GroupNorm_H(y) + (sum_head r k r_k) v) * g)
//
// arXiv 2503.14456, section 4; rwkv-family.md, section 1.5.
#include "core/kernels/linear.h"
#include "core/kernels/token_shift.h"
#include "core/kernels/wkv.h"
#include "core/models/rwkv/mix_parts.h"
#include "core/models/rwkv/rwkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using Function = kernels::RowFunction;

class TimeMix7 : public RwkvMix {
 public:
  TimeMix7(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
      : config_(config), store_(store), layer_(layer) {
    const BlockParameters p(store, layer, "att.");
    shares_ = {p("x_r"), p("x_w"), p("x_k"), p("x_v"), p("x_a"), p("x_g")};
    decay_ = {p("w0"), p("w1"), p("w2")};
    rate_ = {p("a0"), p("a1"), p("a2")};
    if (layer > 0) mixing_ = {p("v0"), p("v1"), p("v2")};
    gate_first_ = p("g1");
    gate_second_ = p("g2");
    removal_scale_ = p("k_k");
    rate_scale_ = p("k_a");
    bonus_ = p("r_k");
    receptance_ = p("receptance.weight");
    key_ = p("key.weight");
    value_ = p("value.weight");
    output_ = p("output.weight");
    output_bias_ = p.has("output.bias") ? p("output.bias") : Tensor();
    norm_weight_ = p("ln_x.weight");
    norm_bias_ = p("ln_x.bias");
    shift_name_ = p.state_name("shift");
    state_name_ = p.state_name("state");
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const int64_t B = x.size(0), T = x.size(1), H = config_.heads(), N = config_.head_size;
    const auto heads = [&](const Tensor& rows) { return rows.view({B, T, H, N}); };
    const Tensor difference = shifted(x, pass, shift_name_);
    const auto mixed = kernels::mix_rows(x, difference, stacked(shares_)).unbind(0);

    kernels::Wkv7Projections given;
    const Tensor receptance = heads(kernels::linear(mixed[0], receptance_));
    given.key = kernels::linear(mixed[2], key_);
    given.value = kernels::linear(mixed[3], value_);
    given.decay_change = low_rank(mixed[1], decay_.first, decay_.second, Function::kTanh);
    given.decay_bias = decay_.bias;
    given.rate_change = low_rank(mixed[4], rate_.first, rate_.second);
    given.rate_bias = rate_.bias;
    given.removal_scale = removal_scale_;
    given.rate_scale = rate_scale_;
    if (layer_ == 0) {
      pass.first_value = given.value;
    } else {
      given.first_value = pass.first_value;
      given.value_change = low_rank(mixed[3], mixing_.first, mixing_.second);
      given.value_bias = mixing_.bias;
    }
    const kernels::Wkv7Operands operands = kernels::wkv7_operands(given, H);

    const Tensor key = heads(operands.key), value = heads(operands.value);
    auto [y, state] = kernels::wkv7({receptance, heads(operands.decay), key, value,
                                     heads(operands.removal), heads(operands.replacement)},
                                    pass.state.get(state_name_),
                                    rwkv_reset_state(config_, store_, layer_), pass.marks);
    pass.state.set(state_name_, state);
    kernels::HeadOutput out;
    out.y = y;
    out.weight = norm_weight_;
    out.bias = norm_bias_;
    out.gate = low_rank(mixed[5], gate_first_, gate_second_, Function::kSigmoid);
    out.receptance = receptance;
    out.key = key;
    out.value = value;
    out.bonus = bonus_;
    out.epsilon = config_.group_norm_epsilon;
    return kernels::linear(kernels::head_output(out), output_, output_bias_);
  }

 private:
  struct Raised {                // a bias and a low-rank map
    Tensor bias, first, second;  // [D], [D, R], [R, D]
  };

  RwkvConfig config_;
  const ParameterStore& store_;
  int64_t layer_;
  std::vector<Tensor> shares_;                // r, w, k, v, a, g: [D]
  Raised decay_, rate_, mixing_;              // mixing_ is empty in layer 0
  Tensor gate_first_, gate_second_;           // [D, R], [R, D]
  Tensor removal_scale_, rate_scale_;         // [D]
  Tensor bonus_;                              // [H, N]
  Tensor receptance_, key_, value_, output_;  // [D, D]
  Tensor output_bias_;                        // [D] or undefined
  Tensor norm_weight_, norm_bias_;            // [D]
  std::string shift_name_, state_name_;
};

}  // namespace

RwkvMixPtr make_time_mix_7(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  return std::make_unique<TimeMix7>(config, store, layer);
}

}  // namespace rmkv
