// What a memory layer does once per segment, shared by the parallel and the recurrent form: read
// rows in, new memory out.
//
// Not here: attention over the tokens, schedules, state.
// Source: memory-model.md, section 1, steps 1, 5 and 6.
#pragma once

#include "core/memory/associative_store.h"
#include "core/memory/cell.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"

namespace rmkv {

// Epsilon of every normalisation.
inline constexpr double kNormEpsilon = 1e-5;

// Prepared once per layer and forward pass.
class MemoryLayer {
 public:
  // compute: dtype of products.
  MemoryLayer(const RmkvConfig& config, const RmkvLayer& layer, at::ScalarType compute);

  // rows fp32 [B, M, C] (memory, or memory plus write stream) -> queries, keys, values, compute
  // dtype [B, M, 3C].
  Tensor projected(const Tensor& rows) const;

  // Attention output of token rows, compute dtype [B, T, C], before the output projection -> pooled
  // likewise [B, 1 or M, C].  kept bool [B, T] or undefined.
  Tensor pool(const Tensor& rows, const Tensor& kept) const;

  // The carried pooling queries [M, C]; undefined for mean pooling.
  const Tensor& queries() const { return queries_; }

  // One commit: memory rows read [B, M, C] and pooled [B, 1 or M, C], both compute dtype and before
  // the output projection; `stream` fp32 [B, M, C] the write stream w[l-1] (undefined: off),
  // advanced to w[l].
  CellState commit(const Tensor& read, const Tensor& pooled, const CellState& old,
                   Tensor& stream) const;

 private:
  const RmkvConfig& config_;
  const RmkvLayer& layer_;
  at::ScalarType compute_;
  Tensor slot_id_;  // compute dtype [M, C]
  Tensor queries_;
  MemoryCell cell_;
};

// qkv [.., 3C] with queries and keys normalised per head (qk_norm), or as it is.
Tensor normed_heads(const RmkvConfig& config, const RmkvLayer& layer, const Tensor& qkv);
// Normalised rows of tokens, compute dtype [B, n, C], through the feed-forward layer.
Tensor feed_forward(const RmkvConfig& config, const RmkvLayer& layer, const Tensor& rows);

// The maps of token rows `hidden` (normalised, compute dtype [B, n, C]) that the store lives on,
// fp32: queries, keys and values [B, n, 3C], or before the convolution addresses and values
// [B, n, 2C]; write gates [B, H, n].
struct StoreMaps {
  Tensor rows;
  Tensor gates;
};
// tokens int64 [B, n] and codes [V, C]: read with store_keys = "codes" only.
StoreMaps store_maps(const RmkvLayer& layer, const Tensor& hidden, const Tensor& tokens,
                     const Tensor& codes);
// The weights of the store's convolution, [W, 3C]; undefined without one.
Tensor store_mixing(const RmkvLayer& layer);
// What mixed rows qkv [B, n, 3C] ask of the store, [B, H, n, K] of unit length, and write to it.
struct StoreRows {
  Tensor queries;
  StoreWrites writes;
};
StoreRows store_rows(const RmkvConfig& config, const Tensor& qkv, const Tensor& gates);
// The share of the store that survives a segment, [H, 1, 1].
Tensor store_decay(const RmkvLayer& layer);

}  // namespace rmkv
