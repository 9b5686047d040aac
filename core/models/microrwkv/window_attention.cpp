// Projections, ring and attention of a branch; see window_attention.h.
#include "core/models/microrwkv/window_attention.h"

#include <limits>

#include "core/kernels/linear.h"
#include "core/kernels/window_attention.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// One token per lane against its ring, which holds the token itself: queries [B, 1, H, D], ring
// [B, R, 2 G D], scores' addend [B, 1, 1, R] -> [B, 1, H D].
Tensor attend_ring(const Tensor& queries, const Tensor& ring, const Tensor& addend,
                   int64_t key_heads) {
  const int64_t batch = queries.size(0), size = queries.size(3);
  // The query heads of a group as rows of one product: keys are read once, not once per head.
  const int64_t group = queries.size(2) / key_heads;
  const auto halves = ring.chunk(2, 2);
  const auto by_head = [&](const Tensor& x) {
    return x.unflatten(2, {key_heads, size}).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(queries.view({batch, key_heads, group, size}),
                                          by_head(halves[0]), by_head(halves[1]),
                                          addend.expand({-1, -1, group, -1}))
      .reshape({batch, 1, -1});
}

}  // namespace

WindowView window_view(const BlockPlan& plan, int64_t ring, at::ScalarType compute) {
  WindowView view;
  view.ring = ring;
  view.in_place = plan.length == 1 && !plan.kept.defined() && !at::GradMode::is_enabled();
  if (view.in_place) {
    const Tensor hidden = plan.filled(ring).logical_not();
    view.after = at::zeros(hidden.sizes(), hidden.options().dtype(compute))
                     .masked_fill_(hidden, -std::numeric_limits<double>::infinity())
                     .unsqueeze(1)
                     .unsqueeze(1);
  } else {
    view.start = plan.oldest_slot(ring);
    view.low = plan.first_columns(ring);
  }
  return view;
}

Tensor window_attention(const AttentionWeights& weights, const WindowHeads& heads,
                        const WindowView& view, const Tensor& rows, const BlockPlan& plan,
                        Tensor& ring) {
  const int64_t channels = rows.size(2), size = channels / heads.heads;
  const int64_t width = 2 * heads.key_heads * size;
  const Tensor projected = kernels::linear(rows, weights.in);
  const bool gated = projected.size(2) > channels + width;
  const auto parts =
      projected.split_with_sizes(gated ? std::vector<int64_t>{channels, width, channels}
                                       : std::vector<int64_t>{channels, width},
                                 2);
  const Tensor queries = parts[0].unflatten(2, {heads.heads, size}), &fresh = parts[1];
  Tensor mixed;
  if (view.in_place) {
    const Tensor slot = plan.positions.remainder(view.ring).unsqueeze(2).expand({-1, 1, width});
    ring.scatter_(1, slot, fresh);
    mixed = attend_ring(queries, ring, view.after, heads.key_heads);
  } else {
    mixed =
        kernels::window_attention({queries, fresh, ring, view.start, view.low}, heads.key_heads);
    ring = plan.advanced(ring, fresh);
  }
  if (gated) mixed = mixed * parts[2];
  return kernels::linear(mixed, weights.out);
}

}  // namespace rmkv
