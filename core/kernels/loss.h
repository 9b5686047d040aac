// The output head and its cross-entropy in one operation.
//
// Logits are made, turned into losses and gradients, and dropped one chunk of rows at a time, so
// the logits of a batch never exist at once.  Gradients of hidden rows and weight are already
// computed in forward (as in apple/ml-cross-entropy and RWKV-LM); backward only scales them.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

inline constexpr int64_t kIgnoredLabel = -100;

struct HeadLossOptions {
  // Factor on the sum, for example 1 / number of labels; part of the gradients from the start.
  double scale = 1.0;
  // Weight of log(Z)^2 per row (PaLM's auxiliary loss, which keeps logits from drifting); 0: off.
  double z_loss = 0.0;
  // Rows per chunk; 0: chosen so that a chunk's logits take about 16 MB.
  int64_t chunk_rows = 0;
  // RWKV-LM's L2Wrap: its gradient adds this times the largest logit of a row to that logit's
  // gradient (1e-4 there), so half this times the square of it is part of the loss; 0: off.
  double l2_wrap = 0.0;
};

// Rows of logits that exist at once, for logits of `element_bytes`; `wanted` where it is not 0.
int64_t head_chunk_rows(int64_t vocabulary, int64_t element_bytes, int64_t wanted);

// hidden [N, C] (compute dtype), head_weight [V, C] (master dtype), labels int64 [N]
// (kIgnoredLabel: no loss)
// -> fp32 (fp64 for fp64) scalar: scale * sum of -log softmax(hidden W^T)[label] (+ z-loss,
// L2Wrap). Softmax in fp32. Differentiable once, in hidden and head_weight.
Tensor head_loss(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels,
                 const HeadLossOptions& options = {});

struct WeightedHeadLoss {
  Tensor loss;   // fp32 (fp64) scalar: scale * sum of weight * row loss; differentiable
  Tensor plain;  // the same with every weight 1 and without L2Wrap, for reports; no gradient
};

// As head_loss with a factor on each row's loss and gradient: weights fp32 [N], none negative.
// Labels decide which rows count: a row of weight 0 still counts in `plain`.
WeightedHeadLoss weighted_head_loss(const Tensor& hidden, const Tensor& head_weight,
                                    const Tensor& labels, const Tensor& weights,
                                    const HeadLossOptions& options = {});

// The losses per row, fp32 (fp64) [N], 0 where ignored; no gradient.
Tensor head_losses(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels);

}  // namespace rmkv::kernels
