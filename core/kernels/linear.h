// Linear maps of activations by master weights: x W^T + b.
//
// Weights are fp32 masters (fp64 in tests); the product runs in the dtype of x, and the weight's
// gradient is accumulated in the weight's own dtype.  The weight is converted once per change of
// its value, not once per call. On the CPU fp32 products go to oneDNN: LibTorch's default leaves
// two thirds of an AMD core unused.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// x [.., I] (fp64, fp32 or bf16), weight [O, I] and bias [O] (master dtype; bias may be undefined)
// -> [.., O] in the dtype of x.  Differentiable in all three.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// `master` in `dtype`, detached from the graph: itself when it has that dtype, else a converted
// copy that is kept until the master changes (its version counter rises) or dies.  Whoever writes
// to a master through a raw pointer must call `forget_converted_weights`.
Tensor converted_weight(const Tensor& master, at::ScalarType dtype);
void forget_converted_weights();
// The bf16 copy that converted_weight would give for `master` without making one, for whoever
// writes both (AdamW); undefined where there is none or it is out of date.  After both were written
// and the master's version has risen, `confirm_working_copy` says that they agree.
Tensor working_copy(const Tensor& master);
void confirm_working_copy(const Tensor& master);

}  // namespace rmkv::kernels
