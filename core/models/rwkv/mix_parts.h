// Pieces that the time mixes and channel mixes of all versions share.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/rwkv_rows.h"
#include "core/models/rwkv/mixes.h"

namespace rmkv {

// Handles of one block's half ("att." or "ffn."), looked up by the rest of their names.
class BlockParameters {
 public:
  BlockParameters(const ParameterStore& store, int64_t layer, const std::string& half);
  const Tensor& operator()(const std::string& name) const;
  // Undefined where the model has none of that name.
  Tensor optional(const std::string& name) const;
  std::string state_name(const std::string& rest) const { return prefix_ + rest; }

 private:
  const ParameterStore& store_;
  std::string prefix_;  // "blocks.3.att."
};

// The shifted difference of x with the state's last row, which moves on: row before - row,
// [B, T, D].
Tensor shifted(const Tensor& x, RwkvPass& pass, const std::string& state_name);

// mixtures [J] of [D] -> [J, D].
Tensor stacked(const std::vector<Tensor>& mixtures);

// f(x first) second, x [B, T, D], first [D, R], second [R, D] -> [B, T, D]; f may be left out.
Tensor low_rank(const Tensor& x, const Tensor& first, const Tensor& second,
                std::optional<kernels::RowFunction> function = std::nullopt);

// The dtype of decays and states beside rows x: fp64 for fp64, else fp32.
at::ScalarType state_dtype(const Tensor& x);

// x as fp32, or as fp64 where it is: what pointwise arithmetic runs in.
Tensor widened(const Tensor& x);

// What the time mixes with a matrix memory (5, 6, 7) have in common: the maps in and out, the norm
// per head, the state.
class HeadMix {
 public:
  HeadMix(const RwkvConfig& config, const ParameterStore& store, int64_t layer);

  Tensor receptance, key, value;  // [D, D]

  // The shifted difference of x; see `shifted`.
  Tensor difference(const Tensor& x, RwkvPass& pass) const;
  // rows [B, T, D] -> [B, T, H, N].
  Tensor heads(const Tensor& rows) const;
  // The memory before the block, [B, H, N, N]; what documents start from, [H, N, N] or undefined.
  const Tensor& state(const RwkvPass& pass) const { return pass.state.get(state_name_); }
  Tensor reset() const;
  // y [B, T, H, N] of the recurrence and the memory after it; gate [B, T, D] or undefined -> what
  // is normalised next.
  kernels::HeadOutput read(const std::pair<Tensor, Tensor>& y_and_state, const Tensor& gate,
                           RwkvPass& pass) const;
  // -> what is added to the residual stream, [B, T, D].
  Tensor output(const kernels::HeadOutput& read) const;

 private:
  RwkvConfig config_;
  const ParameterStore& store_;
  int64_t layer_;
  Tensor output_;                   // [D, D]
  Tensor output_bias_;              // [D] or undefined
  Tensor norm_weight_, norm_bias_;  // [D]
  std::string shift_name_, state_name_;
};

}  // namespace rmkv
