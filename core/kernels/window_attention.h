// Causal attention over the last R tokens of a document, with a ring of keys and values as memory.
//
// Columns are in the order of time: column c < R of a lane is the token R - c before the block's
// first and lies in slot (start + c) mod R of the ring; column R + t is row t of the block.  Row t
// sees columns low[t] .. R + t.  Scores are scaled by D^-1/2, the softmax runs in fp32; no mask
// tensor exists.  Groups of H / G query heads share a key head.
// Sources: Longformer, arXiv 2004.05150 (window); GQA, arXiv 2305.13245.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

struct WindowRows {
  Tensor queries;  // compute dtype [B, T, H, D]; rows may be part of wider ones
  Tensor fresh;    // compute dtype [B, T, 2 G D]: keys | values of the block's rows; likewise
  Tensor ring;     // compute dtype [B, R, 2 G D]
  Tensor start;    // int64 [B], 0 .. R - 1
  Tensor low;      // int64 [B, T], t + 1 .. R + t
};

// -> compute dtype [B, T, H D].  Differentiable in queries, fresh and ring.
Tensor window_attention(const WindowRows& rows, int64_t key_heads);

}  // namespace rmkv::kernels
