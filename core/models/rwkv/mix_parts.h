// Pieces that the time mixes and channel mixes of all versions share.
#pragma once

#include <string>
#include <vector>

#include "core/models/rwkv/mixes.h"

namespace rmkv {

// Handles of one block's half ("att." or "ffn."), looked up by the rest of their names.
class BlockParameters {
 public:
  BlockParameters(const ParameterStore& store, int64_t layer, const std::string& half);
  const Tensor& operator()(const std::string& name) const;
  bool has(const std::string& name) const;
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

// activation(x first) second, x [B, T, D], first [D, R], second [R, D] -> [B, T, D].
enum class Activation { kNone, kTanh, kSigmoid };
Tensor low_rank(const Tensor& x, const Tensor& first, const Tensor& second, Activation activation);

// GroupNorm over the heads of y [B, T, H, N] with weight and bias [D] -> [B, T, D] fp32 (fp64).
Tensor head_norm(const Tensor& y, const Tensor& weight, const Tensor& bias, double epsilon);

// x as fp32, or as fp64 where it is: what pointwise arithmetic runs in.
Tensor widened(const Tensor& x);

}  // namespace rmkv
