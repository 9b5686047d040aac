// One attention branch of a corrected block: projections around the windowed attention of
// core/kernels/window_attention.h, and its ring of keys and values.
//
// Serves both: the sliding window (as many key as query heads) and the grouped-query attention
// (groups of query heads share a key head; a gate multiplies the result).
#pragma once

#include "core/models/microrwkv/block_plan.h"
#include "core/tensor/tensor.h"

namespace rmkv {

struct AttentionWeights {
  // [C + 2 G D, C]: queries, keys, values; with a gate [2 C + 2 G D, C], the gate last.
  Tensor in;
  Tensor out;  // [C, C]
};

struct WindowHeads {
  int64_t heads = 1;      // H, of queries
  int64_t key_heads = 1;  // G, a divisor of H
};

// What all layers of a block share: which of [ring | rows] each token sees.
struct WindowView {
  int64_t ring = 0;   // R
  Tensor start, low;  // int64 [B], [B, T]: as the kernel wants them
  // One token per lane and no gradient: the ring is written first and attended alone.
  bool in_place = false;
  Tensor after;  // compute dtype [B, 1, 1, R], 0 or -infinity, in_place only
};
WindowView window_view(const BlockPlan& plan, int64_t ring, at::ScalarType compute);

// rows compute dtype [B, T, C] -> the branch's output [B, T, C].  ring compute dtype [B, R, 2 G D]
// (keys | values; slot = position mod R) is advanced; `in_place` views write into its storage,
// which must then belong to the caller alone.
Tensor window_attention(const AttentionWeights& weights, const WindowHeads& heads,
                        const WindowView& view, const Tensor& rows, const BlockPlan& plan,
                        Tensor& ring);

}  // namespace rmkv
