// AdamW on CUDA tensors: the tensor side of the kernel in adamw.cu.
#pragma once

#include "core/kernels/adamw.h"

namespace rmkv::kernels::cuda {

// Whether the kernel below takes this parameter: a contiguous fp32 CUDA tensor, and the library is
// there.
bool has_fused_adamw(const Tensor& value);

// Updates one parameter on the current stream.
void adamw(const AdamwTarget& target, const ::rmkv::adamw::Rates& rates,
           const AdamwControl& control);

}  // namespace rmkv::kernels::cuda
