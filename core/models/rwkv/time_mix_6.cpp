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
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using Function = kernels::RowFunction;

class TimeMix6 : public RwkvMix {
 public:
  TimeMix6(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
      : mix_(config, store, layer), rank_(config.mix_rank) {
    const BlockParameters p(store, layer, "att.");
    first_share_ = p("time_maa_x");
    shares_ = {p("time_maa_w"), p("time_maa_k"), p("time_maa_v"), p("time_maa_r"), p("time_maa_g")};
    share_first_ = p("time_maa_w1");
    share_second_ = p("time_maa_w2");
    decay_ = p("time_decay");
    decay_first_ = p("time_decay_w1");
    decay_second_ = p("time_decay_w2");
    bonus_ = p("time_faaaa");
    gate_ = p("gate.weight");
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const Tensor difference = mix_.difference(x, pass);
    const auto mixed =
        kernels::mix_rows(x, difference, stacked(shares_), share_changes(x, difference)).unbind(0);
    const auto rows = [&](size_t i, const Tensor& weight) {
      return mix_.heads(kernels::linear(mixed[i], weight));
    };
    const Tensor decay =
        kernels::apply_function(low_rank(mixed[0], decay_first_, decay_second_, Function::kTanh),
                                Function::kDecay, state_dtype(x), decay_);
    const auto read =
        kernels::wkv(rows(3, mix_.receptance), rows(1, mix_.key), rows(2, mix_.value),
                     mix_.heads(decay), bonus_, mix_.state(pass), mix_.reset(), pass.marks);
    const Tensor gate =
        kernels::apply_function(kernels::linear(mixed[4], gate_), Function::kSilu, x.scalar_type());
    return mix_.output(mix_.read(read, gate, pass));
  }

 private:
  // What each token adds to the five shares: [5, B, T, D].
  Tensor share_changes(const Tensor& x, const Tensor& difference) const {
    const Tensor first = kernels::mix_rows(x, difference, first_share_.unsqueeze(0)).squeeze(0);
    const auto inner = kernels::apply_function(kernels::linear(first, share_first_.t()),
                                               Function::kTanh, x.scalar_type())
                           .split(rank_, -1);
    const auto second = share_second_.unbind(0);  // five of [R, D]
    std::vector<Tensor> changes;
    for (size_t j = 0; j < 5; ++j) changes.push_back(kernels::linear(inner[j], second[j].t()));
    return at::stack(changes);
  }

  HeadMix mix_;
  int64_t rank_;                               // R
  Tensor first_share_;                         // [D]
  std::vector<Tensor> shares_;                 // w, k, v, r, g: [D]
  Tensor share_first_, share_second_;          // [D, 5 R], [5, R, D]
  Tensor decay_, decay_first_, decay_second_;  // [D], [D, R], [R, D]
  Tensor bonus_;                               // [H, N]
  Tensor gate_;                                // [D, D]
};

}  // namespace

RwkvMixPtr make_time_mix_6(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  return std::make_unique<TimeMix6>(config, store, layer);
}

}  // namespace rmkv
