// The global gradient norm and what follows from it, without ever asking the device for a number.
//
// Not here: multiplying the gradients.  The divisor is folded into the optimiser's kernel.
#pragma once

#include "core/tensor/parameters.h"

namespace rmkv {

// fp32 [] each, on the parameters' device.
struct ClipResult {
  Tensor norm;  // Euclidean norm over all gradients that are trained
  Tensor
      divisor;    // max(norm / limit, 1): dividing gradients by it leaves a norm of at most `limit`
  Tensor broken;  // 1 where the norm is NaN or infinite, else 0
};

// `limit` <= 0: no clipping (divisor 1).
ClipResult clip_gradients(const ParameterStore& parameters, double limit);

}  // namespace rmkv
