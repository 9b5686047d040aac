// The recurrences of the RWKV family on CUDA tensors: the tensor side of wkv4.cu, wkv.cu and
// wkv7.cu.  No autograd here; core/kernels/wkv*.cpp wrap it as they wrap the CPU code.
//
// All tensors are contiguous and on one device; shapes are those of core/kernels/wkv.h.
#pragma once

#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv::kernels::cuda {

// Whether the kernels take rows like this: fp32 or bf16 on CUDA, heads of 16, 32 or 64, and the
// library is there.
bool has_wkv_form(const Tensor& rows, int64_t head_size);

// Each forward writes out and final and returns the kept states, undefined without `training`.
Tensor wkv4_forward(const Tensor& key, const Tensor& value, const Tensor& decay,
                    const Tensor& bonus, const Tensor& state, const Tensor& marks,
                    const Tensor& out, const Tensor& final, bool training);
// saved: key, value, decay, bonus, state, marks, final, kept.  grads: key, value, decay [B, C],
// bonus [B, C], state.
void wkv4_backward(const std::vector<Tensor>& saved, const Tensor& grad_out,
                   const Tensor& grad_final, const std::vector<Tensor>& grads);

// given: receptance, key, value, decay, bonus, state, reset, marks; saved: the same and kept.
// grads: receptance, key, value, decay, bonus [B, H, N], state, reset [B, H, N, N].
Tensor wkv_forward(const std::vector<Tensor>& given, const Tensor& out, const Tensor& final,
                   bool training);
void wkv_backward(const std::vector<Tensor>& saved, const Tensor& grad_out,
                  const Tensor& grad_final, const std::vector<Tensor>& grads);

// given: receptance, decay, key, value, removal, replacement, state, reset, marks; saved: the same
// and kept.  grads: of the first seven in that order, and reset [B, H, N, N].
Tensor wkv7_forward(const std::vector<Tensor>& given, const Tensor& out, const Tensor& final,
                    bool training);
void wkv7_backward(const std::vector<Tensor>& saved, const Tensor& grad_out,
                   const Tensor& grad_final, const std::vector<Tensor>& grads);

}  // namespace rmkv::kernels::cuda
