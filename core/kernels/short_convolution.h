// A causal convolution over the newest few rows of each channel, added to the rows: it shows a
// layer its token beside the tokens before it.
//
// One row back with weights of its own is RWKV's token shift (arXiv 2305.13048, section 3.1.1); a
// few rows back with a residual are the Canon layers of Allen-Zhu 2025, "Physics of language
// models: part 4.1"; H3, DeltaNet and Mamba have the same in front of their recurrences.
#pragma once

#include <utility>

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

inline constexpr int64_t kMostConvolutionRows = 8;

// x [B, T, C] (fp64, fp32 or bf16), recent [B, W, C] of the same dtype: the rows before the block,
// oldest first; weights [W, C] (fp32, or fp64 with fp64 rows), row j for the row j + 1 places back.
// -> (x_t + sum_j weights_j x_{t-1-j}, [B, T, C]; the newest W rows after the block, [B, W, C]).
// `marks` as in wkv.h: after a reset the rows before are zero; padding is passed over and comes out
// as it is.
std::pair<Tensor, Tensor> short_convolution(const Tensor& x, const Tensor& recent,
                                            const Tensor& weights, const Tensor& marks = {});

}  // namespace rmkv::kernels
