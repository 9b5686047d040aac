// See measures.h.
#include "core/memory/measures.h"

#include "core/tensor/torch.h"

namespace rmkv {

Tensor slot_cosine(const Tensor& memory) {
  const int64_t slots = memory.size(1);
  if (slots < 2) return at::zeros({memory.size(0)}, memory.options());
  const Tensor unit = memory / memory.norm(2, {2}, /*keepdim=*/true).clamp_min(1e-12);
  // The sum over all pairs is the squared norm of the sum; the diagonal is what a slot has with
  // itself.
  const Tensor all = unit.sum(1).square().sum(1), diagonal = unit.square().sum({1, 2});
  return (all - diagonal) / static_cast<double>(slots * (slots - 1));
}

Tensor effective_rank(const Tensor& memory) {
  const Tensor values = at::linalg_svdvals(memory);
  const Tensor share = values / values.sum(-1, true).clamp_min(1e-30);
  return at::exp(-(share * share.clamp_min(1e-30).log()).sum(-1));
}

Tensor write_norm(const Tensor& before, const Tensor& after) {
  return (after - before).flatten(1).norm(2, {1}) / before.flatten(1).norm(2, {1}).clamp_min(1e-12);
}

Tensor attention_share(const Tensor& probabilities, int64_t first, int64_t count) {
  return probabilities.narrow(3, first, count).sum(3).mean(2);
}

}  // namespace rmkv
