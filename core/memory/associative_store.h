// The associative store: a matrix per layer and head that maps keys to values, written by the delta
// rule.
//
// Slots hold gist, the store holds facts.  Within a segment every token writes one pair,
//   S_t = S_{t-1} + b_t k_t (v_t - S_{t-1}^T k_t)^T      S [D, D], unit keys k, write gate b in (0,
//   1),
// starting from the decayed committed matrix; tokens read the matrix committed before their
// segment, q^T S, so reading never sees the segment's own writes. Source: memory-model.md, section
// 1 ("Associative store"); the closed form over a segment is the WY representation of Yang et al.
// 2024, "Parallelizing linear transformers with the delta rule", section 3.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv {

// What the tokens of a block write; fp32 (fp64).
struct StoreWrites {
  Tensor keys;    // [B, H, n, D], unit length
  Tensor values;  // [B, H, n, D]
  Tensor gates;   // [B, H, n]; 0 writes nothing
};

// The matrices after all n writes, [B, H, D, D], from those before, [B, H, D, D].
// Same values as one token after the other; differentiable.
Tensor delta_writes(const Tensor& store, const StoreWrites& writes);

// queries [B, H, n, D] -> [B, n, H*D].
Tensor store_read(const Tensor& store, const Tensor& queries);

// Rows scaled to unit length along the last dimension.
Tensor unit_rows(const Tensor& x);

}  // namespace rmkv
