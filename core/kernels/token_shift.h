// The token shift of the RWKV family: each row beside the row before it, and mixtures of the two.
//
// Source: arXiv 2305.13048, section 3.1.1 (shift), arXiv 2404.05892, section 4.3 (a mixture per
// token).  `marks` as in wkv.h: after a reset the row before is zero; padding is passed over.
#pragma once

#include <utility>

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// x [B, T, C] (fp64, fp32 or bf16), previous [B, C]: the row before the block (fp32, or fp64 for
// fp64 rows).  -> (row before - row [B, T, C] in the dtype of x, the block's last row [B, C] in the
// dtype of previous).  Padding gives a difference of zero.
std::pair<Tensor, Tensor> token_shift(const Tensor& x, const Tensor& previous,
                                      const Tensor& marks = {});

// x and difference [B, T, C]; mixes [J, C] (fp32 or fp64); deltas [J, B, T, C] of one dtype with x,
// or undefined.  -> x + difference * (mixes[j] + deltas[j]), [J, B, T, C] in the dtype of x.
Tensor mix_rows(const Tensor& x, const Tensor& difference, const Tensor& mixes,
                const Tensor& deltas = {});

}  // namespace rmkv::kernels
