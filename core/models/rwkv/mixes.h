// The two halves of an RWKV block as the frame (rwkv_model.h) sees them: time mix and channel mix,
// each a residual branch over normalised rows.
//
// One .cpp file per version holds its time mix with its formulas; channel_mix.cpp all channel
// mixes.
#pragma once

#include <memory>

#include "core/models/rwkv/rwkv_config.h"
#include "core/models/state.h"
#include "core/tensor/parameters.h"

namespace rmkv {

// What the branches of one forward pass share.
struct RwkvPass {
  State& state;
  Tensor marks;        // uint8 [B, T] (kernels/wkv.h), or undefined
  Tensor first_value;  // [B, T, D]: version 7, the values of layer 0
};

class RwkvMix {
 public:
  virtual ~RwkvMix() = default;
  // x [B, T, D] (compute dtype: fp64, fp32 or bf16), normalised -> what is added to the residual
  // stream, [B, T, D] in the dtype of x.  Advances the branch's part of the state.
  virtual Tensor forward(const Tensor& x, RwkvPass& pass) const = 0;
};
using RwkvMixPtr = std::unique_ptr<const RwkvMix>;

// The store must outlive the mix and hold the parameters of `config`.
RwkvMixPtr make_time_mix_4(const RwkvConfig& config, const ParameterStore& store, int64_t layer);
RwkvMixPtr make_time_mix_5(const RwkvConfig& config, const ParameterStore& store, int64_t layer);
RwkvMixPtr make_time_mix_6(const RwkvConfig& config, const ParameterStore& store, int64_t layer);
RwkvMixPtr make_time_mix_7(const RwkvConfig& config, const ParameterStore& store, int64_t layer);
RwkvMixPtr make_time_mix(const RwkvConfig& config, const ParameterStore& store, int64_t layer);
RwkvMixPtr make_channel_mix(const RwkvConfig& config, const ParameterStore& store, int64_t layer);

}  // namespace rmkv
