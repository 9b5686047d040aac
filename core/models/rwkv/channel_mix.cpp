// The channel mix of every version: a token shift and a feed-forward layer with squared ReLU.
//
//   4, 5, 6:  out = sigmoid(W_r m_r) * W_v relu(W_k m_k)^2
//   7:        out = W_v relu(W_k m_k)^2
//
// Versions 4 and 5 store the shares of the current row, 6 and 7 those of the row before.
// arXiv 2305.13048, section 3.1; arXiv 2503.14456, section 4.
#include "core/kernels/linear.h"
#include "core/kernels/token_shift.h"
#include "core/models/rwkv/mix_parts.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

class ChannelMix : public RwkvMix {
 public:
  ChannelMix(const RwkvConfig& config, const ParameterStore& store, int64_t layer)
      : current_shares_(config.version <= 5) {
    const BlockParameters p(store, layer, "ffn.");
    const std::string name = config.version <= 5 ? "time_mix_" : "time_maa_";
    shares_ = {p(config.version == 7 ? "x_k" : name + "k")};
    key_ = p("key.weight");
    value_ = p("value.weight");
    if (config.version < 7) {
      shares_.push_back(p(name + "r"));
      receptance_ = p("receptance.weight");
    }
    shift_name_ = p.state_name("shift");
  }

  Tensor forward(const Tensor& x, RwkvPass& pass) const override {
    const Tensor difference = shifted(x, pass, shift_name_);
    const Tensor shares = stacked(shares_);
    const auto mixed =
        kernels::mix_rows(x, difference, current_shares_ ? 1 - shares : shares).unbind(0);
    const auto function = [](const Tensor& rows, kernels::RowFunction f) {
      return kernels::apply_function(rows, f, rows.scalar_type());
    };
    const Tensor hidden =
        function(kernels::linear(mixed[0], key_), kernels::RowFunction::kReluSquared);
    const Tensor out = kernels::linear(hidden, value_);
    if (!receptance_.defined()) return out;
    const Tensor receptance = kernels::linear(mixed[1], receptance_);
    return function(receptance, kernels::RowFunction::kSigmoid) * out;
  }

 private:
  bool current_shares_;
  std::vector<Tensor> shares_;  // k and r: [D]
  Tensor key_, value_;          // [F, D], [D, F]
  Tensor receptance_;           // [D, D], undefined in version 7
  std::string shift_name_;
};

}  // namespace

RwkvMixPtr make_channel_mix(const RwkvConfig& config, const ParameterStore& store, int64_t layer) {
  return std::make_unique<ChannelMix>(config, store, layer);
}

}  // namespace rmkv
