// The recurrences of the RWKV family, over a block of tokens with the state in and the state out.
//
// A block of any length gives the same bits as its tokens one by one (fused CPU form).  States are
// fp32 (fp64 for fp64 rows) whatever the dtype of the rows; everything is differentiable, the
// initial state and the state that comes out included.
//
// `marks` uint8 [B, T] (undefined: none): bit 0, the lane's state becomes `reset` (undefined:
// nothing remembered) before this token; bit 1, padding: the state passes unchanged, the row of the
// result is zero.
// Sources: arXiv 2305.13048 (4), 2404.05892 (5, 6), 2503.14456 (7); rwkv-family.md, 1.2 to 1.5.
#pragma once

#include <utility>

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

inline constexpr int64_t kMarkReset = 1, kMarkSkip = 2;

// RWKV-4.  key and value [B, T, C] (fp64, fp32 or bf16); decay w (negative) and bonus u [C]; state
// [B, 3, C]: numerator, denominator, exponent (`wkv4_empty_state` before the first token).
// -> (y [B, T, C] in the dtype of key, state [B, 3, C]).
std::pair<Tensor, Tensor> wkv4(const Tensor& key, const Tensor& value, const Tensor& decay,
                               const Tensor& bonus, const Tensor& state, const Tensor& marks = {});
Tensor wkv4_empty_state(int64_t lanes, int64_t channels, const at::TensorOptions& options);

// RWKV-5 and 6: y = r^T (diag(u) k v^T + S), then S <- diag(w) S + k v^T.  receptance, key, value
// [B, T, H, N]; decay w in (0, 1], [B, T, H, N], or [H, N] when constant, and bonus u [H, N] (fp32,
// or fp64 with fp64 rows); state [B, H, N, N] by [key, value]; reset [H, N, N].
// -> (y [B, T, H, N] in the dtype of key, state).
std::pair<Tensor, Tensor> wkv(const Tensor& receptance, const Tensor& key, const Tensor& value,
                              const Tensor& decay, const Tensor& bonus, const Tensor& state,
                              const Tensor& reset = {}, const Tensor& marks = {});

struct Wkv7Rows {
  Tensor receptance;   // r [B, T, H, N]
  Tensor decay;        // w [B, T, H, N] in (0, 1), fp32 (fp64)
  Tensor key;          // k [B, T, H, N]
  Tensor value;        // v [B, T, H, N]
  Tensor removal;      // z = -kappa [B, T, H, N]
  Tensor replacement;  // b = kappa * a [B, T, H, N]
};

// RWKV-7: S <- S diag(w) + (S z) b^T + v k^T, then y = S r.  state [B, H, N, N] by [value, key];
// reset [H, N, N].  -> (y [B, T, H, N] in the dtype of key, state).
std::pair<Tensor, Tensor> wkv7(const Wkv7Rows& rows, const Tensor& state, const Tensor& reset = {},
                               const Tensor& marks = {});

}  // namespace rmkv::kernels
