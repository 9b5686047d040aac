// What the fused operations of this folder share: when they apply, and small helpers of their
// autograd functions. Not for other folders.
#pragma once

#include <algorithm>
#include <optional>

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

using at::BFloat16;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// The fused CPU code covers fp32 and bf16 rows; fp64 and other devices take the reference form.
inline bool has_fused_form(const Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Calls fn with a null pointer of the row type of `dtype`, fp32 or bf16: the only dispatch of this
// folder.
template <typename Fn>
void with_row_type(at::ScalarType dtype, const Fn& fn) {
  if (dtype == at::kBFloat16) {
    fn(static_cast<BFloat16*>(nullptr));
  } else {
    RMKV_ASSERT(dtype == at::kFloat);
    fn(static_cast<float*>(nullptr));
  }
}

// Autograd functions take what may be absent as an optional, not as an undefined tensor.
using MaybeTensor = std::optional<Tensor>;
inline MaybeTensor maybe(const Tensor& x) {
  return x.defined() ? MaybeTensor(x) : std::nullopt;
}
inline Tensor tensor_or_undefined(const MaybeTensor& x) {
  return x ? *x : Tensor();
}

// True when a call on these tensors (undefined ones allowed) will be asked for gradients: to be
// called outside the function's forward, where gradients are off.
inline bool wants_gradients(std::initializer_list<Tensor> inputs) {
  if (!at::GradMode::is_enabled()) return false;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Tensor& x) { return x.defined() && x.requires_grad(); });
}

}  // namespace rmkv::kernels
