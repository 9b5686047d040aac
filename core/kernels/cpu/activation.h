// SwiGLU on the CPU; T is the dtype of rows, float or bf16.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

// gate_up [N, 2F] -> out [N, F].
template <typename T>
void swiglu_forward(const T* gate_up, T* out, int64_t rows, int64_t width);

// grad_out [N, F] -> grad_gate_up [N, 2F].
template <typename T>
void swiglu_backward(const T* gate_up, const T* grad_out, T* grad_gate_up, int64_t rows,
                     int64_t width);

}  // namespace rmkv::kernels::cpu
