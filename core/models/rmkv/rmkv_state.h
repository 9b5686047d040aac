// Names and shapes of what an RMKV state holds.  Layers count from 1.
//
// Always:   "tokens" int64 [B], tokens since the lane's last reset (padding does not count)
//           "bridge.visible" bool [B, k], which of the bridge's rows hold a token (the last row is
//           the newest) "bridge.l" compute dtype [B, k, 2C], keys before rotation and values of the
//           previous segment's last tokens "memory.l" fp32 [B, M, C], committed memory; "carry.l"
//           likewise, lstm only "store.l" fp32 [B, H, K, D], committed associative store
//           "shift.l", "ffn_shift.l" compute dtype [B, W, C], the normalised rows of the last
//           tokens before the segment, oldest first "recent.l" fp32 [B, W - 1, 2C], what the
//           store's convolution still needs of the last tokens before the segment, oldest first
// Counters: "open", tokens in the open segment.
// Only while a segment is open (recurrent form):
//           "open.cache.l" compute dtype [B, k + M + T, 2C], keys (rotated) and values of bridge,
//           memory, tokens "open.visible" bool [B, k + M + T] "open.keys.l" compute dtype [B, k,
//           C], keys before rotation of the newest tokens: token t in row t mod k "open.sum.l" fp32
//           [B, C] (mean), or "open.largest.l", "open.denominator.l" fp32 [B, M] and
//           "open.numerator.l" fp32 [B, M, C] (query): the pooling so far
//           "open.store.l" fp32 [B, H, K, D], the store being written; "open.recent.l",
//           "open.shift.l", "open.ffn_shift.l" as without "open.", of the newest tokens
// The published block holds "memory" fp32 [B, M, C], and "open.ids" int64 [B, T] while a segment is
// open.
#pragma once

#include <string>

#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"
#include "core/models/state.h"

namespace rmkv {

// Name of a layer's tensor, layer 0-based: layer_name("memory", 0) is "memory.1".
std::string layer_name(const std::string& kind, int64_t layer);

// The state before the first token.  Differentiable in the learned initial memory.
State rmkv_initial_state(const RmkvConfig& config, const RmkvWeights& weights, int64_t batch);

}  // namespace rmkv
