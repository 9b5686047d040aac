// RMKV token by token: new tokens against the open segment's cache, the form for generation and for
// odd lengths.
//
// Cost per token is O(M + T + k) whatever came before.  Memory is committed when the segment is
// full, or by `flush`. Writes in place through State::writable; no gradients. Source:
// memory-architectures.md, section 4.4.
#pragma once

#include "core/models/language_model.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"

namespace rmkv {

// tokens int64 [B, n] with n at most what the open segment still takes -> normalised hidden rows
// [B, n, C] in the compute dtype.  Commits when the segment is full.
Tensor recurrent_forward(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& tokens,
                         State& state, at::ScalarType compute);

// Commits what the open segment holds; nothing when none is open.
void recurrent_flush(const RmkvConfig& config, const RmkvWeights& weights, State& state,
                     at::ScalarType compute);

}  // namespace rmkv
