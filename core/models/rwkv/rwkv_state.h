// Names and shapes of what an RWKV state holds.  Blocks count from 0, as in the parameters' names.
//
// "blocks.i.att.shift" and "blocks.i.ffn.shift" fp32 [B, D]: the last row that went into the time
// mix and the channel mix (zero before the first token)
// "blocks.i.att.state" fp32: version 4 [B, 3, D] numerator, denominator, exponent; versions 5 and 6
// [B, H, N, N] by [key, value]; version 7 [B, H, N, N] by [value, key]
// No counters: a state may be taken, saved and put back after any token.
// Source: rwkv-family.md, section 1.6.
#pragma once

#include <string>

#include "core/models/rwkv/rwkv_config.h"
#include "core/models/state.h"
#include "core/tensor/parameters.h"

namespace rmkv {

std::string rwkv_block_name(int64_t layer, const std::string& rest);  // "blocks.3.att.state"

// The recurrent state of a layer after a reset, without lanes: the tuned one ([H, N, N] in the
// state's layout, differentiable), or undefined (nothing remembered).
Tensor rwkv_reset_state(const RwkvConfig& config, const ParameterStore& parameters, int64_t layer);

// The state before the first token.  Differentiable in a tuned state.
State rwkv_initial_state(const RwkvConfig& config, const ParameterStore& parameters, int64_t batch);

// The state as the flat vector of rwkv.cpp's API, one row a lane: per layer ffn.shift, att.shift,
// att.state row by row.  -> fp32 [B, n], n as in section 1.6.
Tensor rwkv_flat_state(const State& state);
// Its inverse: fp32 [B, n] into the tensors of `state`, which gives the shapes.
void set_rwkv_flat_state(State& state, const Tensor& flat);

}  // namespace rmkv
