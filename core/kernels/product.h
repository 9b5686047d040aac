// Matrix products on the fastest path that LibTorch offers for the dtype and device.
//
// Not differentiable: the building block of this folder's autograd functions.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// a [N, K] times b [K, M] (either may be a transposed view) + bias [M] (may be undefined) -> [N,
// M], all one dtype. fp32 on the CPU goes to oneDNN: LibTorch's default (MKL) uses a third of an
// AMD Zen 5 core.
Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias = {});

// grad [N, O], x [N, I] of one dtype -> grad^T x, [O, I] in `out`; on the CPU summed in fp32.
Tensor weight_gradient(const Tensor& grad, const Tensor& x, at::ScalarType out);
// The same, added to `sum` [O, I] (fp32, or fp64 for fp64 rows).
void add_weight_gradient(const Tensor& grad, const Tensor& x, Tensor& sum);

// Deterministic mode, for the whole process: from now on every row of a product on the CPU (fp32 or
// bf16) is summed in one fixed order, whatever rows come with it and however many threads there
// are.  A model's results are then the same bits for any split of its tokens.  Slower than oneDNN;
// gradients are not touched.  Off at start.
void set_row_invariant(bool on);
bool row_invariant();

}  // namespace rmkv::kernels
