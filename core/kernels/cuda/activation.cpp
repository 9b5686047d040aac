// See activation.h.
#include "core/kernels/cuda/activation.h"

#include <c10/core/DeviceGuard.h>

#include "core/kernels/cuda/launch.h"
#include "core/kernels/cuda/library.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::cuda {
bool has_fused_form(const Tensor& x) {
  return x.is_cuda() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
         cuda_kernels() != nullptr;
}

void swiglu_forward(const Tensor& gate_up, const Tensor& out) {
  const c10::DeviceGuard device(gate_up.device());
  check_launch(
      cuda_kernels()->swiglu_forward(gate_up.const_data_ptr(), out.mutable_data_ptr(), out.size(0),
                                     out.size(1), dtype_code(gate_up), current_stream(gate_up)),
      "swiglu on cuda");
}

void swiglu_backward(const Tensor& gate_up, const Tensor& grad_out, const Tensor& grad_in) {
  const c10::DeviceGuard device(gate_up.device());
  check_launch(cuda_kernels()->swiglu_backward(gate_up.const_data_ptr(), grad_out.const_data_ptr(),
                                               grad_in.mutable_data_ptr(), grad_out.size(0),
                                               grad_out.size(1), dtype_code(gate_up),
                                               current_stream(gate_up)),
               "swiglu on cuda");
}

}  // namespace rmkv::kernels::cuda
