// RWKV-6's time mix: the memory of 5.2 with a token shift and a decay that depend on the data.
//
//   d = z_prev - z;   t = tanh((z + d maa_x) W1) in five parts, order w, k, v, r, g
//   x_j = z + d (maa_j + t_j W2[j])
//   w = exp(-exp(time_decay + tanh(x_w D1) D2)) per channel and token;   r, k, v = W x
//   out = W_o (GroupNorm_H(wkv(r, k, v; w, time_faaaa)) * silu(W_g x_g))
//
// arXiv 2404.05892, section 4.2; rwkv-family.md, section 1.4.
#include "core/kernels/linear.h"
#include "core/kernels/token_shift.h"
#include "core/kernels/wkv.h"
#include "core/models/rwkv/mix_parts.h"
#include "core/models/rwkv/rwkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using Function = kernels::RowFunction;

class TimeMix6 : public RwkvMix {
 public:
  TimeMix6(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
      : config_(config), store_(store), layer_(layer) {
    const BlockParameters p(store, layer, "att.");
    first_share_ = p("time_maa_x");
    shares_ = {p("time_maa_w"), p("time_maa_k"), p("time_maa_v"), p("time_maa_r"), p("time_maa_g")};
    share_first_ = p("time_maa_w1");
    share_second_ = p("time_maa_w2");
    decay_ = p("time_decay");
    decay_first_ = p("time_decay_w1");
    decay_second_ = p("time_decay_w2");
    bonus_ = p("time_faaaa");
    receptance_ = p("receptance.weight");
    key_ = p("key.weight");
    value_ = p("value.weight");
    gate_ = p("gate.weight");
    output_ = p("output.weight");
    output_bias_ = p.has("output.bias") ? p("output.bias") : Tensor();
    norm_weight_ = p("ln_x.weight");
    norm_bias_ = p("ln_x.bias");
    shift_name_ = p.state_name("shift");
    state_name_ = p.state_name("state");
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const int64_t B = x.size(0), T = x.size(1), H = config_.heads(), N = config_.head_size;
    const Tensor difference = shifted(x, pass, shift_name_);
    const auto mixed =
        kernels::mix_rows(x, difference, stacked(shares_), share_changes(x, difference)).unbind(0);
    const auto heads = [&](const Tensor& rows, const Tensor& weight) {
      return kernels::linear(rows, weight).view({B, T, H, N});
    };
    const Tensor decay =
        kernels::apply_function(low_rank(mixed[0], decay_first_, decay_second_, Function::kTanh),
                                Function::kDecay, state_dtype(x), decay_);
    auto [y, state] =
        kernels::wkv(heads(mixed[3], receptance_), heads(mixed[1], key_), heads(mixed[2], value_),
                     decay.view({B, T, H, N}), bonus_, pass.state.get(state_name_),
                     rwkv_reset_state(config_, store_, layer_), pass.marks);
    pass.state.set(state_name_, state);
    kernels::HeadOutput out;
    out.y = y;
    out.weight = norm_weight_;
    out.bias = norm_bias_;
    out.epsilon = config_.group_norm_epsilon;
    out.gate =
        kernels::apply_function(kernels::linear(mixed[4], gate_), Function::kSilu, x.scalar_type());
    return kernels::linear(kernels::head_output(out), output_, output_bias_);
  }

 private:
  // What each token adds to the five shares: [5, B, T, D].
  Tensor share_changes(const Tensor& x, const Tensor& difference) const {
    const int64_t rank = config_.mix_rank;
    const Tensor first = kernels::mix_rows(x, difference, first_share_.unsqueeze(0)).squeeze(0);
    const auto inner = kernels::apply_function(kernels::linear(first, share_first_.t()),
                                               Function::kTanh, x.scalar_type())
                           .split(rank, -1);
    const auto second = share_second_.unbind(0);  // five of [R, D]
    std::vector<Tensor> changes;
    for (size_t j = 0; j < 5; ++j) changes.push_back(kernels::linear(inner[j], second[j].t()));
    return at::stack(changes);
  }

  RwkvConfig config_;
  const ParameterStore& store_;
  int64_t layer_;
  Tensor first_share_;                               // [D]
  std::vector<Tensor> shares_;                       // w, k, v, r, g: [D]
  Tensor share_first_, share_second_;                // [D, 5 R], [5, R, D]
  Tensor decay_, decay_first_, decay_second_;        // [D], [D, R], [R, D]
  Tensor bonus_;                                     // [H, N]
  Tensor receptance_, key_, value_, gate_, output_;  // [D, D]
  Tensor output_bias_;                               // [D] or undefined
  Tensor norm_weight_, norm_bias_;                   // [D]
  std::string shift_name_, state_name_;
};

}  // namespace

RwkvMixPtr make_time_mix_6(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  return std::make_unique<TimeMix6>(config, store, layer);
}

}  // namespace rmkv
