// The gated activation of the feed-forward layer (SwiGLU, Shazeer 2020).
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// gate_up [.., 2F] (gate in the first half) -> silu(gate) * up, [.., F], same dtype; arithmetic in
// fp32.
Tensor swiglu(const Tensor& gate_up);

}  // namespace rmkv::kernels
