// See activation.h.
#include "core/kernels/cuda/activation.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/kernels/cuda/library.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::cuda {
namespace {

// The cudaStream_t of the current stream, asked through LibTorch's device-neutral interface:
// linking its CUDA headers would need the toolkit.
void* current_stream(const Tensor& x) {
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  return guard.getStreamNativeHandle(guard.getStream(x.device()));
}

int32_t dtype_code(const Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? RMKV_CUDA_BF16 : RMKV_CUDA_FP32;
}

void check_launch(int32_t error) {
  if (error != 0) fail_because("swiglu on cuda", cuda_kernels()->error_name(error));
}

}  // namespace

bool has_fused_form(const Tensor& x) {
  return x.is_cuda() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
         cuda_kernels() != nullptr;
}

void swiglu_forward(const Tensor& gate_up, const Tensor& out) {
  const c10::DeviceGuard device(gate_up.device());
  check_launch(cuda_kernels()->swiglu_forward(gate_up.const_data_ptr(), out.mutable_data_ptr(),
                                              out.size(0), out.size(1), dtype_code(gate_up),
                                              current_stream(gate_up)));
}

void swiglu_backward(const Tensor& gate_up, const Tensor& grad_out, const Tensor& grad_in) {
  const c10::DeviceGuard device(gate_up.device());
  check_launch(cuda_kernels()->swiglu_backward(
      gate_up.const_data_ptr(), grad_out.const_data_ptr(), grad_in.mutable_data_ptr(),
      grad_out.size(0), grad_out.size(1), dtype_code(gate_up), current_stream(gate_up)));
}

}  // namespace rmkv::kernels::cuda
