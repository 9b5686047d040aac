// Attention of one segment with its memory, and of new tokens against a cache.
//
// Rule (memory-model, section 1): memory row j sees all M memory rows and all T tokens; token t
// sees the M memory rows, the bridge (the last k tokens of the previous segment) and tokens 0 .. t.
// Scores are scaled by D^-1/2, the softmax runs in fp32.  No mask tensor exists.
#pragma once

#include <utility>

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// The rows of one segment.  Columns of a qkv tensor: [queries H*D | keys H*D | values H*D], keys
// and queries not rotated.  Rows may be views with any batch stride (a segment of a longer buffer),
// the last dimension is dense.
struct SegmentRows {
  Tensor memory;  // compute dtype [B, M, 3C]; undefined: no memory rows
  Tensor tokens;  // compute dtype [B, T, 3C]
  Tensor bridge;  // compute dtype [B, k, 3C] or [B, k, 2C] (keys | values); undefined: no bridge
  // bool [B, k + T]: false hides a bridge or token row as a key; rows that are hidden as keys still
  // have (meaningless but finite) outputs.  Undefined: all visible.
  Tensor visible;
};

struct AttentionOptions {
  int64_t heads = 1;
  // Rotary positions 0 .. T-1 for tokens and -k .. -1 for the bridge; memory rows have none.
  bool rotary = true;
  double rotary_base = 10000.0;
};

// -> (memory part [B, M, C], token part [B, T, C]), compute dtype; the first is undefined without
// memory rows. Differentiable in memory, tokens and bridge.
std::pair<Tensor, Tensor> segment_attention(const SegmentRows& rows,
                                            const AttentionOptions& options);

// Plain attention for caches: queries [B, n, H, D], keys and values [B, N, H, D] (rotated where
// they should be; any strides with a dense last dimension) -> [B, n, H*D].  With `causal` query i
// sees keys 0 .. N - n + i, that is the queries are the last n rows; without it all N.  `visible`
// bool [B, N] hides keys.
Tensor cached_attention(const Tensor& queries, const Tensor& keys, const Tensor& values,
                        bool causal, const Tensor& visible = {});

}  // namespace rmkv::kernels
