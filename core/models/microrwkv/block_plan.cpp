// Order, positions and flags of a block; see block_plan.h.
#include "core/models/microrwkv/block_plan.h"

#include "core/kernels/wkv.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// index int64 [B, T] -> [B, T, X] for gather.
Tensor over_channels(const Tensor& index, int64_t channels) {
  return index.unsqueeze(2).expand({-1, -1, channels});
}

Tensor column(const Tensor& per_lane) {
  return per_lane.unsqueeze(1);
}

}  // namespace

BlockPlan::BlockPlan(const Tensor& given_tokens, const Tensor& given_kept, const Tensor& starts,
                     const Tensor& position)
    : tokens(given_tokens), length(given_tokens.size(1)), given_position_(position) {
  const Tensor steps = at::arange(length, tokens.options());
  if (starts.defined()) documents = starts.cumsum(1, at::kLong);
  if (given_kept.defined()) {
    order_ = given_kept.logical_not().to(at::kByte).argsort(/*stable=*/true, 1, false);
    kept = given_kept.gather(1, order_);
    tokens = tokens.gather(1, order_);
    counts_ = kept.sum(1);
    marks = kept.logical_not() * kernels::kMarkSkip;
  }
  final_count_ = counts_.defined() ? counts_ : at::full_like(position, length);
  if (!documents.defined()) {
    positions = column(position) + steps;
    next = position + final_count_;
    if (marks.defined()) marks = marks.to(at::kByte);
    return;
  }
  const Tensor last = documents.select(1, length - 1);
  if (kept.defined()) {
    // Padding behind the kept tokens belongs to the last document, so that what starts there
    // counts.
    documents = at::where(kept, documents.gather(1, order_), column(last));
  }
  const Tensor before = at::constant_pad_nd(documents.narrow(1, 0, length - 1), {1, 0}, 0);
  const Tensor fresh = documents.ne(before);
  marks = (marks.defined() ? marks + fresh * kernels::kMarkReset : fresh * kernels::kMarkReset)
              .to(at::kByte);
  const Tensor first = std::get<0>(at::where(fresh, steps, at::zeros_like(steps)).cummax(1));
  positions = steps - first + column(position) * documents.eq(0);
  Tensor of_final = documents.eq(column(last));
  if (kept.defined()) of_final = of_final.logical_and(kept);
  final_count_ = of_final.sum(1);
  next = position * last.eq(0) + final_count_;
}

// The position that slot j of a ring holds when the lane's next token stands at next_position;
// negative: none.
Tensor BlockPlan::slot_positions(int64_t ring, const Tensor& next_position) const {
  const Tensor newest = column(next_position) - 1, slots = at::arange(ring, tokens.options());
  return newest - (newest - slots).remainder(ring);
}

Tensor BlockPlan::first_columns(int64_t ring) const {
  // Columns begin at the token `ring` before the block's first: a document's first token stands at
  // its row less its position, and never before column 0.
  const Tensor steps = at::arange(length, tokens.options());
  return at::maximum(steps + 1, (steps + ring - positions).clamp_min(0));
}

Tensor BlockPlan::filled(int64_t ring) const {
  return slot_positions(ring, next).ge(0);
}

Tensor BlockPlan::advanced(const Tensor& ring, const Tensor& rows) const {
  const int64_t size = ring.size(1);
  const Tensor held = slot_positions(size, next);
  const Tensor count = counts_.defined() ? column(counts_) : at::full_like(column(next), length);
  const Tensor in_block = held.ge(column(next - final_count_)).logical_and(held.ge(0));
  const Tensor source =
      at::where(in_block, size + count - column(next) + held, at::arange(size, tokens.options()));
  return at::cat({ring.to(rows.scalar_type()), rows}, 1)
      .gather(1, over_channels(source, ring.size(2)));
}

Tensor BlockPlan::in_given_order(const Tensor& rows) const {
  if (!order_.defined()) return rows;
  return rows.gather(1, over_channels(order_.argsort(int64_t{1}, false), rows.size(2)));
}

}  // namespace rmkv
