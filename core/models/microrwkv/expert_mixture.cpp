// Routing, experts and their balance; see expert_mixture.h.
#include "core/models/microrwkv/expert_mixture.h"

#include "core/kernels/linear.h"
#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// chosen [n, E] 0 or 1, probabilities [n, E]; kept bool [n] or undefined.
Tensor balance_of(const Tensor& chosen, const Tensor& probabilities, int64_t active,
                  const Tensor& kept) {
  const auto mean = [&](const Tensor& x) {
    if (!kept.defined()) return x.mean(0);
    const Tensor counted = kept.unsqueeze(1);
    return (x * counted).sum(0) / counted.sum().clamp_min(1);
  };
  const double experts = static_cast<double>(chosen.size(1));
  return (mean(chosen) * mean(probabilities)).sum() * (experts / static_cast<double>(active));
}

}  // namespace

ExpertResult expert_mixture(const ExpertWeights& w, const Tensor& given, int64_t active,
                            bool with_balance, const Tensor& kept) {
  const Tensor rows = given.reshape({-1, given.size(2)});
  // The router computes in full precision: which expert is taken must not hang on rounding.
  const at::ScalarType wide = kernels::reference::arithmetic_dtype(rows.scalar_type());
  const Tensor probabilities =
      at::softmax(kernels::linear(rows.to(wide), w.gate, w.gate_bias), 1);  // [n, E]
  const auto [best, chosen] = probabilities.topk(active, 1);
  const Tensor gates =
      at::zeros_like(probabilities).scatter(1, chosen, best / best.sum(1, /*keepdim=*/true));

  // All experts see all rows, so that the shape of a product, and with it the rounding of a row,
  // never depends on where other rows are sent.  A single row pays for the chosen ones only.
  const bool single = rows.size(0) == 1 && rows.is_cpu();
  Tensor hidden;
  for (size_t e = 0; e < w.experts.size(); ++e) {
    const int64_t expert = static_cast<int64_t>(e);
    if (single && !chosen.eq(expert).any().item<bool>()) continue;
    const Tensor out = at::silu(kernels::linear(rows, w.experts[e], w.expert_biases[e])) *
                       gates.narrow(1, expert, 1).to(rows.scalar_type());
    hidden = hidden.defined() ? hidden + out : out;
  }
  ExpertResult result;
  result.rows = kernels::linear(hidden, w.out, w.out_bias).view_as(given);
  if (with_balance) {
    const Tensor counted = at::zeros_like(probabilities).scatter_(1, chosen, 1.0);
    result.balance =
        balance_of(counted, probabilities, active, kept.defined() ? kept.reshape({-1}) : Tensor());
  }
  return result;
}

}  // namespace rmkv
