// The associative store: a matrix per layer and head that maps keys to values, written by the delta
// rule.
//
// Slots hold gist, the store holds facts.  Within a segment every token writes one pair,
//   S_t = S_{t-1} + b_t k_t (v_t - S_{t-1}^T k_t)^T      S [K, D], unit keys k, write gate b in (0,
//   1),
// starting from the decayed committed matrix.  Tokens read either the matrix committed before their
// segment, or S_{t-1}: always before they write.  Source: memory-model.md, section 1 ("Associative
// store"); the closed form over a segment is the WY representation of Yang et al. 2024,
// "Parallelizing linear transformers with the delta rule", section 3.  `mix_rows` is the short
// causal convolution that makes a key of the words before a value (H3, DeltaNet).
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv {

// What the tokens of a block write; fp32 (fp64).
struct StoreWrites {
  Tensor keys;    // [B, H, n, K], unit length
  Tensor values;  // [B, H, n, D]
  Tensor gates;   // [B, H, n]; 0 writes nothing
};

// The matrices after all n writes, [B, H, K, D], from those before, [B, H, K, D].
// Same values as one token after the other; differentiable.
Tensor delta_writes(const Tensor& store, const StoreWrites& writes);

// The same, and what each token reads before it writes: queries [B, H, n, K] -> reads [B, n, H*D].
struct StoreBlock {
  Tensor reads;
  Tensor store;
};
StoreBlock delta_block(const Tensor& store, const Tensor& queries, const StoreWrites& writes);

// rows [B, n, 2C] (addresses, values) after recent [B, W - 1, 2C], weights [W, 3C] -> queries,
// keys, values [B, n, 3C]: row t is the sum over j < W of weights[j] * (address, address, value of
// the row j places before t).
Tensor mix_rows(const Tensor& recent, const Tensor& rows, const Tensor& weights);

// queries [B, H, n, K] -> [B, n, H*D].
Tensor store_read(const Tensor& store, const Tensor& queries);

// x [.., D] -> [.., 2 D shifts]: r = (relu(x), relu(-x)) times r turned by 1 .. shifts places, side
// by side.  Rows that differ share few features, so a store addressed by them holds far more pairs
// before they blur.  Source: Schlag, Irie and Schmidhuber 2021, "Linear transformers are secretly
// fast weight programmers", section 5.3 (DPFP).
Tensor sparse_features(const Tensor& x, int64_t shifts);

// Rows scaled to unit length along the last dimension.
Tensor unit_rows(const Tensor& x);

}  // namespace rmkv
