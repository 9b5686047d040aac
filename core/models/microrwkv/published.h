// The published program's block, exactly, with what is wrong in it.
//
//   x += TimeMix(n(x));  x += ChannelMix(n(x));  x += Swa(x);  x += Gqa(TimeMix(x));  x += Moe(x)
//
// Swa is full attention, future included, over rows filled up with zeros; Gqa mixes positions and
// the samples of a batch; Moe is dense and linear, and its auxiliary loss is dropped.  It is here
// to be measured against.  Source: rwkv-family.md, section 2, in our own words; no upstream code.
#pragma once

#include <vector>

#include "core/models/language_model.h"
#include "core/models/microrwkv/microrwkv_parameters.h"

namespace rmkv {

// What a recipe tells whoever uses such a model.
inline constexpr const char* kPublishedMicroRwkvWarning =
    "mode = \"published\" lets every token see the future of its block and mixes the samples of a "
    "batch: its training loss is not that of a causal model";

struct PublishedResult {
  Tensor hidden;                  // compute dtype [B, T, C]
  std::vector<Tensor> auxiliary;  // per layer, fp32 (fp64) []: the weighted loss that is dropped
};

// One window of tokens, int64 [B, T], T up to block_tokens.
PublishedResult published_window(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                                 const Tensor& tokens, at::ScalarType compute);

// State: "ids" int64 [B, block_tokens] and the counter "open", the tokens so far.
State published_state(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                      int64_t batch);

// As LanguageModel::forward.  With resets or gradients every segment is a window of its own, as in
// the published training; else the window so far, its last block_tokens, is computed again with
// every call, as in the published generation, so that results depend on the split.
Tensor published_microrwkv(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                           const Tensor& tokens, State& state, const ForwardOptions& options);

}  // namespace rmkv
