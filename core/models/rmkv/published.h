// The original program's block, exactly: refreshed memory rows flow to the next layer within the
// segment.
//
// It leaks the future in training: memory rows see the whole segment at layer l and its tokens read
// them at layer l + 1.  It is here to load the original's checkpoints, to be trained and to be
// measured against. Source: memory-model.md, section 7.
#pragma once

#include "core/models/language_model.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"

namespace rmkv {

// What a recipe tells whoever trains such a model.
inline constexpr const char* kPublishedWarning =
    "commit = \"published\" leaks the future inside a segment: its training loss is not that of a "
    "causal model";

// As LanguageModel::forward.  A segment that is not full is computed again from the committed
// memory with every block of tokens, as the original does, so results depend on how the tokens are
// split.
Tensor published_forward(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& tokens,
                         State& state, const ForwardOptions& options);
void published_flush(const RmkvConfig& config, const RmkvWeights& weights, State& state,
                     const ForwardOptions& options);

// The original's rotary step over whole rows, x [B, N, C] at positions 0 .. N-1 -> same shape.  Not
// a rotation.
Tensor published_rotary(const Tensor& x);

}  // namespace rmkv
