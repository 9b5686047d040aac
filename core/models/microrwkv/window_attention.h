// Causal attention over the last R tokens of a document, with a ring of keys and values as memory.
//
// Serves both attentions of a corrected block: the sliding window (as many key as query heads) and
// the grouped-query attention (groups of query heads share a key head; a gate multiplies the
// result).  Sources: Longformer, arXiv 2004.05150 (window); GQA, arXiv 2305.13245.
#pragma once

#include "core/models/microrwkv/block_plan.h"
#include "core/tensor/tensor.h"

namespace rmkv {

struct AttentionWeights {
  // [C + 2 G D, C]: queries, keys, values; with a gate [2 C + 2 G D, C], the gate last.
  Tensor in;
  Tensor out;  // [C, C]
};

struct WindowShape {
  int64_t heads = 1;      // H, of queries
  int64_t key_heads = 1;  // G, a divisor of H
};

// What all layers of a block share: which of [ring | rows] each token sees, as an addend to scores.
struct WindowMask {
  int64_t ring = 0;  // R
  Tensor scores;     // compute dtype [B, 1, T, R + T], 0 or -infinity
  // One token per lane and no gradient: the ring is written first and attended alone.
  bool in_place = false;
  Tensor after;  // compute dtype [B, 1, 1, R], in_place only
};
WindowMask window_mask(const BlockPlan& plan, int64_t ring, at::ScalarType compute);

// rows compute dtype [B, T, C] -> the branch's output [B, T, C].  ring compute dtype [B, R, 2 G D]
// (keys | values; slot = position mod R) is advanced; `in_place` masks write into its storage,
// which must then belong to the caller alone.
Tensor window_attention(const AttentionWeights& weights, const WindowShape& shape,
                        const WindowMask& mask, const Tensor& rows, const BlockPlan& plan,
                        Tensor& ring);

}  // namespace rmkv
