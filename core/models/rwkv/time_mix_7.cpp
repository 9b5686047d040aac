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
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using Function = kernels::RowFunction;

class TimeMix7 : public RwkvMix {
 public:
  TimeMix7(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
      : mix_(config, store, layer), heads_(config.heads()), first_layer_(layer == 0) {
    const BlockParameters p(store, layer, "att.");
    shares_ = {p("x_r"), p("x_w"), p("x_k"), p("x_v"), p("x_a"), p("x_g")};
    decay_ = {p("w0"), p("w1"), p("w2")};
    rate_ = {p("a0"), p("a1"), p("a2")};
    if (!first_layer_) mixing_ = {p("v0"), p("v1"), p("v2")};
    gate_first_ = p("g1");
    gate_second_ = p("g2");
    removal_scale_ = p("k_k");
    rate_scale_ = p("k_a");
    bonus_ = p("r_k");
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const Tensor difference = mix_.difference(x, pass);
    const auto mixed = kernels::mix_rows(x, difference, stacked(shares_)).unbind(0);

    kernels::Wkv7Projections given;
    const Tensor receptance = mix_.heads(kernels::linear(mixed[0], mix_.receptance));
    given.key = kernels::linear(mixed[2], mix_.key);
    given.value = kernels::linear(mixed[3], mix_.value);
    given.decay_change = low_rank(mixed[1], decay_.first, decay_.second, Function::kTanh);
    given.decay_bias = decay_.bias;
    given.rate_change = low_rank(mixed[4], rate_.first, rate_.second);
    given.rate_bias = rate_.bias;
    given.removal_scale = removal_scale_;
    given.rate_scale = rate_scale_;
    if (first_layer_) {
      pass.first_value = given.value;
    } else {
      given.first_value = pass.first_value;
      given.value_change = low_rank(mixed[3], mixing_.first, mixing_.second);
      given.value_bias = mixing_.bias;
    }
    const kernels::Wkv7Operands operands = kernels::wkv7_operands(given, heads_);

    const Tensor key = mix_.heads(operands.key), value = mix_.heads(operands.value);
    const auto read =
        kernels::wkv7({receptance, mix_.heads(operands.decay), key, value,
                       mix_.heads(operands.removal), mix_.heads(operands.replacement)},
                      mix_.state(pass), mix_.reset(), pass.marks);
    const Tensor gate = low_rank(mixed[5], gate_first_, gate_second_, Function::kSigmoid);
    kernels::HeadOutput out = mix_.read(read, gate, pass);
    out.receptance = receptance;
    out.key = key;
    out.value = value;
    out.bonus = bonus_;
    return mix_.output(out);
  }

 private:
  struct Raised {                // a bias and a low-rank map
    Tensor bias, first, second;  // [D], [D, R], [R, D]
  };

  HeadMix mix_;
  int64_t heads_;  // H
  bool first_layer_;
  std::vector<Tensor> shares_;         // r, w, k, v, a, g: [D]
  Raised decay_, rate_, mixing_;       // mixing_ is empty in layer 0
  Tensor gate_first_, gate_second_;    // [D, R], [R, D]
  Tensor removal_scale_, rate_scale_;  // [D]
  Tensor bonus_;                       // [H, N]
};

}  // namespace

RwkvMixPtr make_time_mix_7(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  return std::make_unique<TimeMix7>(config, store, layer);
}

}  // namespace rmkv
