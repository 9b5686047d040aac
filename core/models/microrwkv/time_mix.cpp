// The two mixes, put together from the kernels of the RWKV family; see time_mix.h.
#include "core/models/microrwkv/time_mix.h"

#include "core/kernels/linear.h"
#include "core/kernels/rwkv_rows.h"
#include "core/kernels/token_shift.h"
#include "core/kernels/wkv.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

using kernels::RowFunction;

// The published group norm divides by 8 and adds 1e-5 (rwkv-family.md, section 1.3).
constexpr double kGroupNormEpsilon = 64e-5;

// Each row mixed with the one before, once per share: compute dtype [B, T, C] each.
std::vector<Tensor> mixtures(const Tensor& rows, const BlockPlan& plan, Tensor& shift,
                             at::TensorList shares) {
  auto [difference, last] = kernels::token_shift(rows, shift, plan.marks);
  shift = last;
  return kernels::mix_rows(rows, difference, at::stack(shares)).unbind(0);
}

Tensor function_of(const Tensor& rows, RowFunction function) {
  return kernels::apply_function(rows, function, rows.scalar_type());
}

}  // namespace

Tensor time_mix(const TimeMixWeights& w, const Tensor& rows, const BlockPlan& plan,
                TimeMixMemory& memory) {
  const int64_t heads = w.decay.size(0), size = rows.size(2) / heads;
  const auto mixed = mixtures(rows, plan, memory.shift, {w.maa_r, w.maa_k, w.maa_v, w.maa_g});
  const auto per_head = [&](const Tensor& x, const Tensor& weight) {
    return kernels::linear(x, weight).unflatten(2, {heads, size});
  };
  const auto per_channel = [&](const Tensor& x) { return x.unsqueeze(1).expand({heads, size}); };
  kernels::HeadOutput out;
  std::tie(out.y, memory.state) = kernels::wkv(
      per_head(mixed[0], w.receptance), per_head(mixed[1], w.key), per_head(mixed[2], w.value),
      per_channel(w.decay.exp().neg().exp()), per_channel(w.bonus), memory.state, {}, plan.marks);
  out.weight = w.norm;
  out.bias = w.norm_bias;
  out.gate = function_of(kernels::linear(mixed[3], w.gate), RowFunction::kSilu);
  out.epsilon = kGroupNormEpsilon;
  return kernels::linear(kernels::head_output(out), w.output);
}

Tensor channel_mix(const ChannelMixWeights& w, const Tensor& rows, const BlockPlan& plan,
                   Tensor& shift) {
  const auto mixed = mixtures(rows, plan, shift, {w.maa_k, w.maa_r});
  const Tensor hidden = function_of(kernels::linear(mixed[0], w.key), RowFunction::kReluSquared);
  const Tensor receptance =
      function_of(kernels::linear(mixed[1], w.receptance), RowFunction::kSigmoid);
  return receptance * kernels::linear(hidden, w.value);
}

}  // namespace rmkv
