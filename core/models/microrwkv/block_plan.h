// Where the tokens of one block stand: padding, document starts, positions, what attention may see.
//
// Padding is removed by order: the kept tokens of a lane are moved to the front, so that shifts,
// decays and windows work as if padding did not exist, and results are moved back.  Documents are
// numbered within the block; document 0 goes on from the state.  A lane's caches are rings: the
// token at position p lies in slot p mod R until the one at p + R takes its place.
// Everything here is indices and flags; no gradients but through the rows that it moves.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv {

class BlockPlan {
 public:
  // tokens int64 [B, T]; kept bool [B, T] or undefined (no padding); starts bool [B, T] or
  // undefined: a document starts before this token; position int64 [B]: of the lane's next token.
  BlockPlan(const Tensor& tokens, const Tensor& kept, const Tensor& starts, const Tensor& position);

  Tensor tokens;     // int64 [B, T], in computing order
  Tensor positions;  // int64 [B, T], in the token's document
  Tensor kept;       // bool [B, T], in computing order; undefined without padding
  Tensor documents;  // int64 [B, T]; undefined when no document starts in the block
  Tensor next;       // int64 [B]: position of the token after the block
  // uint8 [B, T] as in core/kernels/wkv.h: document starts and padding; undefined without both.
  Tensor marks;
  int64_t length = 0;  // T

  // What row t of a lane sees that looks back over `ring` tokens, itself included, as
  // core/kernels/window_attention.h wants it: int64 [B, T], its first column.
  Tensor first_columns(int64_t ring) const;
  // int64 [B]: the slot of the oldest token of a ring before the block.
  Tensor oldest_slot(int64_t ring) const { return given_position_.remainder(ring); }
  // bool [B, R]: slots that hold a token of the lane's document after the block.
  Tensor filled(int64_t ring) const;
  // ring [B, R, X] before the block and rows [B, T, X] -> the ring after it.
  Tensor advanced(const Tensor& ring, const Tensor& rows) const;

  // rows [B, T, C] in computing order -> in the order of the caller's tokens.
  Tensor in_given_order(const Tensor& rows) const;

 private:
  Tensor slot_positions(int64_t ring, const Tensor& next_position) const;

  Tensor given_position_;  // int64 [B]
  Tensor counts_;          // int64 [B], kept tokens; undefined without padding
  Tensor final_count_;     // int64 [B], kept tokens of the final document
  Tensor order_;           // int64 [B, T]: computing order -> given order; undefined: the same
};

}  // namespace rmkv
