// RMKV over whole segments, layer by layer: the form for training and for long prompts.
//
// For each layer, everything that does not depend on the memory (norms, projections, feed-forward)
// takes the tokens of all S segments in one product; only the memory's own rows, attention, pooling
// and the cell go segment after segment. Legal because tokens of segment s read the memory
// committed before s (memory-architectures.md, section 4.3).
#pragma once

#include "core/models/language_model.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"

namespace rmkv {

// tokens int64 [B, S T'] with T' = options.segment_tokens (or the configured T), the state at a
// segment start -> normalised hidden rows, compute dtype [B, S T', C]; the state moves on by S
// segments.
Tensor parallel_forward(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& tokens,
                        State& state, const ForwardOptions& options);

}  // namespace rmkv
