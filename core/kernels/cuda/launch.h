// What every call into the CUDA library needs: the stream, dtype codes, the error text.
#pragma once

#include "core/kernels/cuda/interface.h"
#include "core/tensor/tensor.h"

namespace rmkv::kernels::cuda {

// The cudaStream_t of the current stream of x's device.
void* current_stream(const Tensor& x);

// fp32 or bf16 as interface.h numbers them.
int32_t dtype_code(const Tensor& x);

// Throws with the library's text unless `error`, what a launcher returned, is 0.
void check_launch(int32_t error, const char* where);

}  // namespace rmkv::kernels::cuda
