// Rows of an embedding table by token id.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// ids int64 [..] in [0, V), weight [V, C] (master dtype) -> [.., C] in `out`.  The gradient is
// summed in the order of rows, so it is the same bits every time.  Ids out of range throw.
Tensor embedding(const Tensor& ids, const Tensor& weight, at::ScalarType out);

}  // namespace rmkv::kernels
