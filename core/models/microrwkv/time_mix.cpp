// Shifts, the chunked recurrence and the two mixes; see time_mix.h.
#include "core/models/microrwkv/time_mix.h"

#include <algorithm>

#include "core/kernels/linear.h"
#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// Tokens whose scores are computed at once.  Work per token grows with it, the number of small
// products falls; 64 is near the flat minimum for heads of 32 to 96 channels.
constexpr int64_t kChunkTokens = 64;
// The published group norm divides by 8 and adds 1e-5 (rwkv-family.md, section 1.3).
constexpr double kGroupNormEpsilon = 64e-5;

Tensor mixed(const Tensor& rows, const Tensor& previous, const Tensor& maa) {
  return at::lerp(rows, previous, maa.to(rows.scalar_type()));
}

struct Recurrence {
  Tensor log_decay;  // fp32 [H], log w
  Tensor bonus;      // fp32 [H], u
  const BlockPlan& plan;

  // powers of w: exponents int64 [B or 1, ...] >= 0 -> fp32 [B or 1, H, ...]
  Tensor power(const Tensor& exponents) const {
    std::vector<int64_t> shape(static_cast<size_t>(exponents.dim()) + 1, 1);
    shape[1] = log_decay.size(0);
    return at::exp(log_decay.view(shape) * exponents.unsqueeze(1));
  }

  // One chunk of r, k, v fp32 [B, H, n, N], rows first .. first + n - 1 of the block; `state` is of
  // document `document` (int64 [B], undefined without document starts) and is advanced.
  Tensor chunk(const Tensor& r, const Tensor& k, const Tensor& v, int64_t first, Tensor& state,
               Tensor& document) const {
    const int64_t count = r.size(2);
    const Tensor steps = at::arange(count, plan.tokens.options());
    const Tensor age = steps.unsqueeze(1) - steps - 1;  // [n, n]: t - 1 - s
    Tensor weight = power(age.clamp_min(0).unsqueeze(0)) * age.ge(0);
    weight = weight + at::diag_embed(bonus.view({1, -1, 1}).expand({1, -1, count}));
    Tensor read = power(steps.unsqueeze(0));  // [1, H, n]
    const Tensor kept = plan.kept_among(first, count);
    const Tensor end = kept.defined() ? kept.unsqueeze(1)
                                      : at::full_like(steps.narrow(0, 0, 1), count).unsqueeze(0);
    const Tensor left = end - 1 - steps;  // [B or 1, n]
    Tensor write = power(left.clamp_min(0));
    if (kept.defined()) write = write * left.ge(0).unsqueeze(1);
    Tensor carry = power(end.squeeze(1));  // [B or 1, H]
    if (document.defined()) {
      const Tensor rows = plan.documents.narrow(1, first, count);  // [B, n]
      const Tensor last = rows.select(1, count - 1);
      weight = weight * rows.unsqueeze(2).eq(rows.unsqueeze(1)).unsqueeze(1);
      read = read * rows.eq(document.unsqueeze(1)).unsqueeze(1);
      write = write * rows.eq(last.unsqueeze(1)).unsqueeze(1);
      carry = carry * last.eq(document).unsqueeze(1);
      document = last;
    }
    const Tensor scores = at::matmul(r, k.transpose(2, 3)) * weight;
    const Tensor y = at::matmul(scores, v) + at::matmul(r, state) * read.unsqueeze(3);
    state = state * carry.unsqueeze(2).unsqueeze(3) +
            at::matmul((k * write.unsqueeze(3)).transpose(2, 3), v);
    return y;
  }
};

}  // namespace

Tensor time_mix(const TimeMixWeights& w, const Tensor& rows, const BlockPlan& plan,
                TimeMixMemory& memory) {
  const int64_t batch = rows.size(0), count = rows.size(1), channels = rows.size(2);
  const int64_t heads = w.decay.size(0);
  const at::ScalarType wide = kernels::reference::arithmetic_dtype(rows.scalar_type());
  const Tensor previous = plan.shifted(rows, memory.shift);
  const auto projected = [&](const Tensor& maa, const Tensor& weight) {
    return kernels::linear(mixed(rows, previous, maa), weight);
  };
  const auto split = [&](const Tensor& x) {  // [B, H, T, N]
    return x.to(wide).view({batch, count, heads, -1}).transpose(1, 2);
  };
  const Tensor r = split(projected(w.maa_r, w.receptance)), k = split(projected(w.maa_k, w.key)),
               v = split(projected(w.maa_v, w.value));
  const Tensor gate = at::silu(projected(w.maa_g, w.gate));

  const Recurrence recurrence{w.decay.to(wide).exp().neg(), w.bonus.to(wide), plan};
  Tensor state = memory.state.to(wide);
  Tensor document = plan.documents.defined() ? at::zeros_like(plan.next) : Tensor();
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < count; first += kChunkTokens) {
    const int64_t n = std::min(kChunkTokens, count - first);
    parts.push_back(recurrence.chunk(r.narrow(2, first, n), k.narrow(2, first, n),
                                     v.narrow(2, first, n), first, state, document));
  }
  const Tensor y = (parts.size() == 1 ? parts[0] : at::cat(parts, 2))
                       .transpose(1, 2)
                       .reshape({batch * count, channels});
  const Tensor normed = at::group_norm(y, heads, w.norm.to(wide), w.norm_bias.to(wide),
                                       kGroupNormEpsilon, /*cudnn_enabled=*/false);
  memory.shift = plan.last_row(rows, memory.shift);
  memory.state = state;
  return kernels::linear(normed.view_as(rows).to(rows.scalar_type()) * gate, w.output);
}

Tensor channel_mix(const ChannelMixWeights& w, const Tensor& rows, const BlockPlan& plan,
                   Tensor& shift) {
  const Tensor previous = plan.shifted(rows, shift);
  const Tensor hidden = kernels::linear(mixed(rows, previous, w.maa_k), w.key).relu().square();
  const Tensor receptance = kernels::linear(mixed(rows, previous, w.maa_r), w.receptance);
  shift = plan.last_row(rows, shift);
  return at::sigmoid(receptance) * kernels::linear(hidden, w.value);
}

}  // namespace rmkv
