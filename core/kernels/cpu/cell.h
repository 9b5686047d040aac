// Pointwise parts of the memory cells on the CPU, fp32; T is the dtype of the linear maps' results,
// float or bf16. Formulas: core/kernels/cell.h.
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

// input and recurrent [N, 3C], hidden [N, C] -> next [N, C].
template <typename T>
void gru_forward(const T* input, const T* recurrent, const float* hidden, float* next, int64_t rows,
                 int64_t channels);
// grad_next [N, C] -> the gradients of the three; the gates are computed again.
template <typename T>
void gru_backward(const T* input, const T* recurrent, const float* hidden, const float* grad_next,
                  T* grad_input, T* grad_recurrent, float* grad_hidden, int64_t rows,
                  int64_t channels);

// gates [N, 2C], hidden [N, C] -> next [N, C].
template <typename T>
void minimal_forward(const T* gates, const float* hidden, float* next, int64_t rows,
                     int64_t channels, bool bounded);
template <typename T>
void minimal_backward(const T* gates, const float* hidden, const float* grad_next, T* grad_gates,
                      float* grad_hidden, int64_t rows, int64_t channels, bool bounded);

}  // namespace rmkv::kernels::cpu
