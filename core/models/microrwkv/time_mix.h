// The recurrent half of a MicroRWKV block: time mix (x051a, one decay per head) and channel mix.
//
// Both modes use it, and the recurrence of RWKV-5 (core/kernels/wkv.h) with the decay and the bonus
// of a head given to all its channels; a block of tokens and its tokens one by one are the same.
// Sources: rwkv-family.md, section 2; RWKV-5, arXiv 2404.05892.
#pragma once

#include "core/models/microrwkv/block_plan.h"
#include "core/tensor/tensor.h"

namespace rmkv {

// All in the parameters' dtype.
struct TimeMixWeights {
  Tensor maa_k, maa_v, maa_r, maa_g;            // [C]: share of the previous token
  Tensor decay, bonus;                          // [H]: w = exp(-exp(decay)), u
  Tensor receptance, key, value, gate, output;  // [C, C]
  Tensor norm, norm_bias;                       // [C], of the normalisation per head
};
struct ChannelMixWeights {
  Tensor maa_k, maa_r;  // [C]
  Tensor key;           // [F, C]
  Tensor value;         // [C, F]
  Tensor receptance;    // [C, C]
};

// What a time mix remembers.
struct TimeMixMemory {
  Tensor shift;  // fp32 (fp64) [B, C]: the previous token's row
  Tensor state;  // fp32 (fp64) [B, H, N, N]: sum of key x value, decayed
};

// rows compute dtype [B, T, C] -> the branch's output, compute dtype [B, T, C]; advances `memory`.
//   y_t = sum_{s<t} w^(t-1-s) (r_t . k_s) v_s + u (r_t . k_t) v_t
Tensor time_mix(const TimeMixWeights& weights, const Tensor& rows, const BlockPlan& plan,
                TimeMixMemory& memory);

// rows [B, T, C] and the previous token's row `shift` fp32 (fp64) [B, C] -> [B, T, C]; advances
// `shift`.
Tensor channel_mix(const ChannelMixWeights& weights, const Tensor& rows, const BlockPlan& plan,
                   Tensor& shift);

}  // namespace rmkv
