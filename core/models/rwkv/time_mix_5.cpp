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
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

class TimeMix5 : public RwkvMix {
 public:
  TimeMix5(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
      : mix_(config, store, layer), first_form_(config.minor == 0) {
    const BlockParameters p(store, layer, "att.");
    shares_ = {p("time_mix_r"), p("time_mix_k"), p("time_mix_v")};
    if (!first_form_) {
      shares_.push_back(p("time_mix_g"));
      gate_ = p("gate.weight");
    }
    decay_ = p("time_decay");
    bonus_ = p(first_form_ ? "time_first" : "time_faaaa");
    head_shape_ = {config.heads(), config.head_size};
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const Tensor difference = mix_.difference(x, pass);
    const auto mixed = kernels::mix_rows(x, difference, 1 - stacked(shares_)).unbind(0);
    const auto rows = [&](size_t i, const Tensor& weight) {
      return mix_.heads(kernels::linear(mixed[i], weight));
    };
    const auto read = kernels::wkv(rows(0, mix_.receptance), rows(1, mix_.key), rows(2, mix_.value),
                                   per_channel((-decay_.exp()).exp()),
                                   per_channel(first_form_ ? bonus_.exp() : bonus_),
                                   mix_.state(pass), mix_.reset(), pass.marks);
    Tensor gate;
    if (gate_.defined()) {
      gate = kernels::apply_function(kernels::linear(mixed[3], gate_), kernels::RowFunction::kSilu,
                                     x.scalar_type());
    }
    return mix_.output(mix_.read(read, gate, pass));
  }

 private:
  // [H] or [H, N] -> [H, N].
  Tensor per_channel(const Tensor& values) const {
    return values.dim() == 2 ? values : values.unsqueeze(1).expand(head_shape_);
  }

  HeadMix mix_;
  bool first_form_;             // 5.0
  std::vector<Tensor> shares_;  // r, k, v and g: [D]
  Tensor gate_;                 // [D, D], undefined in 5.0
  Tensor decay_, bonus_;        // [H] or [H, N]
  std::vector<int64_t> head_shape_;
};

}  // namespace

RwkvMixPtr make_time_mix_5(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  return std::make_unique<TimeMix5>(config, store, layer);
}

}  // namespace rmkv
