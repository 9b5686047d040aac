// Pieces that the time mixes and channel mixes of all versions share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernels/rwkv_rows.h"
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

// f(x first) second, x [B, T, D], first [D, R], second [R, D] -> [B, T, D]; f may be left out.
Tensor low_rank(const Tensor& x, const Tensor& first, const Tensor& second,
                std::optional<kernels::RowFunction> function = std::nullopt);

// The dtype of decays and states beside rows x: fp64 for fp64, else fp32.
at::ScalarType state_dtype(const Tensor& x);

// x as fp32, or as fp64 where it is: what pointwise arithmetic runs in.
Tensor widened(const Tensor& x);

}  // namespace rmkv
