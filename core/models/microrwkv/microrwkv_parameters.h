// The parameters of MicroRWKV: names, shapes, groups and initial values, and the handles of
// forward.
//
// Initial values are a function of (seed, name).  Names follow the published modules: wte, wpe,
// blocks.i.{tmix, cmix, swa, gqa, moe}, ln_f, i from 0.  Both modes have the same parameters, but
// for the smaller key and value parts of gqa.qkvw where query heads share keys.
// Source: rwkv-family.md, section 2.
#pragma once

#include <string>
#include <vector>

#include "core/models/microrwkv/expert_mixture.h"
#include "core/models/microrwkv/microrwkv_config.h"
#include "core/models/microrwkv/time_mix.h"
#include "core/models/microrwkv/window_attention.h"
#include "core/tensor/parameters.h"

namespace rmkv {

struct MicroRwkvLayer {
  TimeMixWeights tmix;
  ChannelMixWeights cmix;
  AttentionWeights swa;  // in [3 C, C]
  AttentionWeights gqa;  // in [2 C + 2 G D, C]: q, k, v, w; published [4 C, C]
  ExpertWeights moe;
};

struct MicroRwkvWeights {
  Tensor embedding;  // [V, C], also the head
  Tensor positions;  // [block_tokens, C]
  Tensor norm;       // [C], of the final LayerNorm
  std::vector<MicroRwkvLayer> layers;
};

// Declares every parameter with its initial value and lays them out.
void add_microrwkv_parameters(const MicroRwkvConfig& config, ParameterSeed seed,
                              ParameterStore& store);
MicroRwkvWeights bind_microrwkv(const MicroRwkvConfig& config, const ParameterStore& store);

// The number of elements, without allocating any.
int64_t microrwkv_parameter_count(const MicroRwkvConfig& config);

}  // namespace rmkv
