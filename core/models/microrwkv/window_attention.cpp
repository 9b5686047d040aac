// Attention against ring and block; see window_attention.h.
#include "core/models/microrwkv/window_attention.h"

#include <algorithm>
#include <limits>

#include "core/kernels/linear.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

Tensor addend(const Tensor& visible, at::ScalarType compute) {
  const auto options = visible.options().dtype(compute);
  return at::zeros(visible.sizes(), options)
      .masked_fill_(visible.logical_not(), -std::numeric_limits<double>::infinity())
      .unsqueeze(1);
}

// queries [B, T, H, D], rows [B, K, 2 G D] (keys | values), scores' addend [B, 1, T, K]
// -> [B, T, H D].
Tensor attend(const Tensor& queries, const Tensor& rows, const Tensor& mask,
              const WindowShape& shape) {
  const int64_t batch = queries.size(0), count = queries.size(1), size = queries.size(3);
  const auto halves = rows.chunk(2, 2);
  const auto heads = [&](const Tensor& x) {
    return x.unflatten(2, {shape.key_heads, size}).transpose(1, 2);
  };
  const Tensor keys = heads(halves[0]), values = heads(halves[1]);
  if (count == 1) {
    // The query heads of a group as rows of one product: keys are read once, not once per head.
    const int64_t group = shape.heads / shape.key_heads;
    const Tensor q = queries.view({batch, shape.key_heads, group, size});
    return at::scaled_dot_product_attention(q, keys, values, mask.expand({-1, -1, group, -1}))
        .reshape({batch, 1, -1});
  }
  return at::scaled_dot_product_attention(queries.transpose(1, 2), keys, values, mask, 0.0, false,
                                          {}, shape.heads != shape.key_heads)
      .transpose(1, 2)
      .reshape({batch, count, -1});
}

}  // namespace

WindowMask window_mask(const BlockPlan& plan, int64_t ring, at::ScalarType compute) {
  WindowMask mask;
  mask.ring = ring;
  mask.in_place = plan.length == 1 && !plan.kept.defined() && !at::GradMode::is_enabled();
  if (mask.in_place) {
    mask.after = addend(plan.filled(ring), compute).unsqueeze(1);
  } else {
    mask.scores = addend(plan.visible(ring), compute);
  }
  return mask;
}

Tensor window_attention(const AttentionWeights& weights, const WindowShape& shape,
                        const WindowMask& mask, const Tensor& rows, const BlockPlan& plan,
                        Tensor& ring) {
  const int64_t channels = rows.size(2), size = channels / shape.heads;
  const int64_t width = 2 * shape.key_heads * size, count = rows.size(1);
  const Tensor projected = kernels::linear(rows, weights.in);
  const Tensor queries = projected.narrow(2, 0, channels).unflatten(2, {shape.heads, size});
  const Tensor fresh = projected.narrow(2, channels, width);
  Tensor mixed;
  if (mask.in_place) {
    const Tensor slot = plan.positions.remainder(mask.ring).unsqueeze(2).expand({-1, 1, width});
    ring.scatter_(1, slot, fresh);
    mixed = attend(queries, ring, mask.after, shape);
  } else {
    // Queries in pieces of a window: a piece sees its own rows and at most a window before them.
    const Tensor all = at::cat({ring, fresh}, 1);
    std::vector<Tensor> parts;
    for (int64_t first = 0; first < count; first += mask.ring) {
      const int64_t n = std::min(mask.ring, count - first);
      // Column R + t is row t: from the piece after the first on, the ring is out of sight.
      const int64_t begin = first == 0 ? 0 : first, end = mask.ring + first + n;
      parts.push_back(attend(queries.narrow(1, first, n), all.narrow(1, begin, end - begin),
                             mask.scores.narrow(2, first, n).narrow(3, begin, end - begin), shape));
    }
    mixed = parts.size() == 1 ? parts[0] : at::cat(parts, 1);
    ring = plan.advanced(ring, fresh);
  }
  const int64_t gate = channels + width;
  if (projected.size(2) > gate) mixed = mixed * projected.narrow(2, gate, channels);
  return kernels::linear(mixed, weights.out);
}

}  // namespace rmkv
