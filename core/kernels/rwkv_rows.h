// The pointwise and per-head parts of RWKV's time mix around its recurrence, each one pass over
// rows.
//
// Rows are fp64, fp32 or bf16; parameters, decays and arithmetic fp32 (fp64).  Every row is
// computed alone and the same way, whatever rows come with it.
// Sources: arXiv 2404.05892 and 2503.14456, section 4; rwkv-family.md, sections 1.3 to 1.5.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

enum class RowFunction {
  kTanh,
  kSigmoid,
  kSilu,
  kReluSquared,  // max(x, 0)^2
  kDecay,        // exp(-exp(x)): from a raw decay to the share kept per token
};

// f(x + bias): x [.., C], bias [C] or undefined -> [.., C] in `out`.
Tensor apply_function(const Tensor& x, RowFunction function, at::ScalarType out,
                      const Tensor& bias = {});

// What version 7 makes of its projections.  Rows [B, T, D], parameters [D]; D = H N.
struct Wkv7Projections {
  Tensor key;                    // k
  Tensor value;                  // v
  Tensor decay_change;           // tanh(x_w w1) w2
  Tensor rate_change;            // (x_a a1) a2
  Tensor value_change;           // (x_v v1) v2, undefined in layer 0
  Tensor first_value;            // layer 0's value, undefined there
  Tensor decay_bias, rate_bias;  // w0, a0
  Tensor value_bias;             // v0, undefined in layer 0
  Tensor removal_scale;          // k_k
  Tensor rate_scale;             // k_a
};
struct Wkv7Operands {
  Tensor decay;        // exp(-e^(-1/2) sigmoid(w0 + ..)), fp32 (fp64)
  Tensor key;          // k (1 + (a - 1) k_a), a = sigmoid(a0 + ..)
  Tensor value;        // v + (v_first - v) sigmoid(v0 + ..)
  Tensor removal;      // -kappa, kappa = k k_k over its norm per head
  Tensor replacement;  // kappa a
};
// All results [B, T, D] in the dtype of key but for the decay.
Wkv7Operands wkv7_operands(const Wkv7Projections& given, int64_t heads);

// What follows the recurrence: (GroupNorm_H(y) + (sum_head r k u) v) * gate.  y [B, T, H, N];
// weight and bias [D]; gate [B, T, D] or undefined.  The bonus needs receptance, key, value
// [B, T, H, N] and bonus [H, N]; undefined without.  -> [B, T, D] in the dtype of y.
struct HeadOutput {
  Tensor y, weight, bias, gate;
  Tensor receptance, key, value, bonus;
  double epsilon = 64e-5;
};
Tensor head_output(const HeadOutput& given);

}  // namespace rmkv::kernels
