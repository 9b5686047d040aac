// The launcher of adamw.cu; arguments and results as in interface.h.
#pragma once

#include "core/kernels/cuda/interface.h"

namespace rmkv::cuda {

int32_t adamw(const rmkv_cuda_adamw* call, void* stream);

}  // namespace rmkv::cuda
