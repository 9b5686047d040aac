// The corrected block over a piece of tokens, and the state it advances.
//
//   x += TimeMix(n(x));  x += ChannelMix(n(x));  x += Window(n(x));  x += Grouped(n(x));
//   x += Experts(n(x))        n = RMS normalisation without gain; residual stream x in fp32 (fp64)
//
// State (i from 0; R_swa = window, R_gqa = block_tokens, D = C / H):
//   "tokens" int64 [B], position of the next token in its document
//   "blocks.i.tmix.shift", "blocks.i.cmix.shift" fp32 [B, C], the previous token's rows
//   "blocks.i.tmix.state" fp32 [B, H, D, D], sum of key x value
//   "blocks.i.swa.cache" compute dtype [B, window, 2 C], "blocks.i.gqa.cache" [B, block_tokens,
//   2 G D]: rings of keys and values, the token at position p in slot p mod R
//   "auxiliary" fp32 [B], only while a forward with gradients runs: the loss so far, spread over B
#pragma once

#include "core/models/language_model.h"
#include "core/models/microrwkv/microrwkv_parameters.h"

namespace rmkv {

State corrected_state(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                      int64_t batch);

// tokens int64 [B, T], any T; options as in LanguageModel::forward.  -> compute dtype [B, T, C].
// Adds the weighted load-balance loss to "auxiliary" where the state has it.
Tensor corrected_forward(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                         const Tensor& tokens, State& state, const ForwardOptions& options);

}  // namespace rmkv
