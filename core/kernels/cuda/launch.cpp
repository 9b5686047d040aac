// See launch.h.
#include "core/kernels/cuda/launch.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/kernels/cuda/library.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::cuda {

// Asked through LibTorch's device-neutral interface: linking its CUDA headers would need the
// toolkit.
void* current_stream(const Tensor& x) {
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  return guard.getStreamNativeHandle(guard.getStream(x.device()));
}

int32_t dtype_code(const Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? RMKV_CUDA_BF16 : RMKV_CUDA_FP32;
}

void check_launch(int32_t error, const char* where) {
  if (error != 0) fail_because(where, cuda_kernels()->error_name(error));
}

}  // namespace rmkv::kernels::cuda
