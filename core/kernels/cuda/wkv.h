// The recurrences of the RWKV family on CUDA tensors: the tensor side of wkv4.cu, wkv.cu and
// wkv7.cu.  No autograd here; core/kernels/wkv*.cpp wrap it as they wrap the CPU code.
//
// All tensors are contiguous and on one device; shapes are those of core/kernels/wkv.h.
#pragma once

#include <vector>

#include "core/tensor/tensor.h"

namespace rmkv::kernels {

// The operands of a matrix-state recurrence, or their gradients; what a version lacks is undefined.
struct WkvTensors {
  Tensor receptance, key, value;  // dtype [B, T, H, N]
  Tensor decay;                   // fp32 [B, T, H, N], or [H, N] when constant
  Tensor bonus;                   // fp32 [H, N]: 5 and 6
  Tensor removal, replacement;    // dtype [B, T, H, N]: 7
  Tensor state;                   // fp32 [B, H, N, N]
  Tensor reset;                   // fp32 [H, N, N] or undefined
  Tensor marks;                   // uint8 [B, T] or undefined
};

}  // namespace rmkv::kernels

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

// RWKV-7 where `in` has a removal, else RWKV-5 and 6.  grads: those of parameters with a lane in
// front ([B, H, N], [B, H, N, N]).
Tensor wkv_forward(const WkvTensors& in, const Tensor& out, const Tensor& final, bool training);
void wkv_backward(const WkvTensors& in, const Tensor& kept, const Tensor& grad_out,
                  const Tensor& grad_final, const WkvTensors& grads);

}  // namespace rmkv::kernels::cuda
