// The launchers of swiglu.cu; shapes, dtypes and results as in interface.h.
#pragma once

#include "core/kernels/cuda/interface.h"

namespace rmkv::cuda {

int32_t swiglu_forward(const void* in, void* out, int64_t N, int64_t F, int32_t dtype,
                       void* stream);
int32_t swiglu_backward(const void* in, const void* grad_out, void* grad_in, int64_t N, int64_t F,
                        int32_t dtype, void* stream);

}  // namespace rmkv::cuda
