// SwiGLU on CUDA tensors: the tensor side of the kernel in swiglu.cu.  No autograd here;
// core/kernels/activation.cpp wraps it as it wraps the CPU code.
#pragma once

#include "core/tensor/tensor.h"

namespace rmkv::kernels::cuda {

// Whether the kernels below take x: a contiguous fp32 or bf16 CUDA tensor, and the library is
// there.
bool has_fused_form(const Tensor& x);

// gate_up [N, 2F] -> out [N, F], same dtype, contiguous, on the current stream.
void swiglu_forward(const Tensor& gate_up, const Tensor& out);

// gate_up [N, 2F], grad_out [N, F] -> grad_in [N, 2F]; as above.
void swiglu_backward(const Tensor& gate_up, const Tensor& grad_out, const Tensor& grad_in);

}  // namespace rmkv::kernels::cuda
