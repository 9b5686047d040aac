// Mean and query pooling, whole and streamed; see pooling.h.
#include "core/memory/pooling.h"

#include <cmath>
#include <limits>

#include "core/tensor/torch.h"

namespace rmkv {
namespace {

at::ScalarType softmax_dtype(const Tensor& rows) {
  return rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// rows [B, n, C] x queries [M, C] -> scores [B, M, n], fp32 (fp64).
Tensor pool_scores(const Tensor& rows, const Tensor& queries) {
  return at::matmul(queries.to(rows.scalar_type()), rows.transpose(1, 2)).to(softmax_dtype(rows));
}

}  // namespace

Tensor carried_queries(const Tensor& queries, const Tensor& output_weight) {
  return at::matmul(queries, output_weight) / std::sqrt(static_cast<double>(queries.size(1)));
}

Tensor mean_pool(const Tensor& rows, const Tensor& kept) {
  const auto wide = softmax_dtype(rows);
  if (!kept.defined()) return rows.mean(1, /*keepdim=*/true, wide).to(rows.scalar_type());
  const Tensor weights = kept.to(wide).unsqueeze(2);
  const Tensor count = weights.sum(1, true).clamp_min(1);
  return ((rows.to(wide) * weights).sum(1, true) / count).to(rows.scalar_type());
}

Tensor query_pool(const Tensor& rows, const Tensor& queries, const Tensor& kept) {
  Tensor scores = pool_scores(rows, queries);
  if (kept.defined()) {
    scores = scores.masked_fill(kept.logical_not().unsqueeze(1),
                                -std::numeric_limits<double>::infinity());
    // A lane of nothing but padding: any finite weights do, its memory is not written.
    scores = scores.masked_fill(kept.any(1).logical_not().view({-1, 1, 1}), 0.0);
  }
  return at::matmul(at::softmax(scores, -1).to(rows.scalar_type()), rows);
}

void accumulate_mean(const Tensor& rows, Tensor& sum) {
  sum.add_(rows.sum(1, false, sum.scalar_type()));
}

void accumulate_query(const Tensor& rows, const Tensor& queries, Tensor& largest,
                      Tensor& denominator, Tensor& numerator) {
  const Tensor scores = pool_scores(rows, queries);
  const Tensor top = at::maximum(largest, scores.amax(-1));
  const Tensor shrink = at::exp(largest - top);
  const Tensor weights = at::exp(scores - top.unsqueeze(2));
  denominator.mul_(shrink).add_(weights.sum(-1));
  numerator.mul_(shrink.unsqueeze(2)).add_(at::matmul(weights, rows.to(weights.scalar_type())));
  largest.copy_(top);
}

}  // namespace rmkv
