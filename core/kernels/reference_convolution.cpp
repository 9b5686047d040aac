// The short convolution as a composition; see reference.h and short_convolution.h.
#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::reference {
namespace {

// Which rows of [recent ; x] lie j = 1 .. W places before each token, counting neither padding nor
// what a reset cut off, and which are the newest at the end.
struct Places {
  Tensor index;  // int64 [B, T + 1, W], nearest first; row T is behind the last token
  Tensor found;  // bool, likewise: false where there is none
};

Places places_before(const Tensor& marks, int64_t rows) {
  const int64_t tokens = marks.size(1);
  const Tensor kept = marks.bitwise_and(kMarkSkip).eq(0),
               reset = marks.bitwise_and(kMarkReset).ne(0);
  const auto whole = marks.options().dtype(at::kLong);
  // Kept tokens before each place, and how many of them there were at its last reset.
  const Tensor before = at::constant_pad_nd(kept.to(at::kLong).cumsum(1), {1, 0});
  const Tensor at_reset = at::constant_pad_nd(
      at::where(reset, before.narrow(1, 0, tokens), at::full({}, -1 - rows, whole)), {0, 1},
      -1 - rows);
  const Tensor oldest = std::get<0>(at::cummax(at_reset, 1));
  // Ranks of the rows wanted: 0, 1, .. are kept tokens of the block, -1 the newest of `recent`.
  const Tensor rank = before.unsqueeze(2) - 1 - at::arange(rows, whole);
  const Tensor by_rank =
      at::argsort(kept.logical_not().to(at::kByte), /*stable=*/true, /*dim=*/1, false);
  const Tensor inside = by_rank.gather(1, rank.clamp(0, tokens - 1).flatten(1)).view_as(rank);
  return {at::where(rank >= 0, inside + rows, (rank + rows).clamp_min(0)),
          rank >= oldest.clamp_min(-rows).unsqueeze(2)};
}

}  // namespace

std::pair<Tensor, Tensor> short_convolution(const Tensor& x, const Tensor& recent,
                                            const Tensor& weights, const Tensor& marks) {
  const int64_t rows = weights.size(0), tokens = x.size(1), channels = x.size(2);
  const auto dtype = arithmetic_dtype(x.scalar_type());
  const Tensor all = at::cat({recent, x}, 1);
  if (!marks.defined()) {
    Tensor out = x.to(dtype);
    for (int64_t j = 0; j < rows; ++j)
      out = at::addcmul(out, all.narrow(1, rows - 1 - j, tokens).to(dtype), weights[j]);
    return {out.to(x.scalar_type()), all.narrow(1, tokens, rows)};
  }
  const Places places = places_before(marks, rows);
  const Tensor near = all.gather(1, places.index.flatten(1).unsqueeze(2).expand({-1, -1, channels}))
                          .view({x.size(0), tokens + 1, rows, channels}) *
                      places.found.unsqueeze(3).to(x.scalar_type());
  const Tensor sum = (near.narrow(1, 0, tokens).to(dtype) * weights).sum(2);
  const Tensor skipped = marks.bitwise_and(kMarkSkip).ne(0).unsqueeze(2);
  const Tensor out = x.to(dtype) + sum.masked_fill(skipped, 0);
  return {out.to(x.scalar_type()), near.select(1, tokens).flip(1)};
}

}  // namespace rmkv::kernels::reference
