// See adamw.h.
#include "core/kernels/cuda/adamw.h"

#include <c10/core/DeviceGuard.h>

#include "core/kernels/cuda/launch.h"
#include "core/kernels/cuda/library.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::cuda {
namespace {

void* pointer(const Tensor& x) {
  return x.defined() ? x.mutable_data_ptr() : nullptr;
}

}  // namespace

bool has_fused_adamw(const Tensor& value) {
  return value.is_cuda() && value.scalar_type() == at::kFloat && cuda_kernels() != nullptr;
}

void adamw(const AdamwTarget& target, const ::rmkv::adamw::Rates& rates,
           const AdamwControl& control) {
  const c10::DeviceGuard device(target.value.device());
  const Moments& moments = target.moments;
  rmkv_cuda_adamw call{};
  call.count = target.value.numel();
  call.value = static_cast<float*>(pointer(target.value));
  call.gradient = static_cast<const float*>(pointer(target.gradient));
  call.copy = pointer(target.copy);
  call.first = pointer(moments.first);
  call.second = pointer(moments.second);
  call.first_scale = static_cast<float*>(pointer(moments.first_scale));
  call.second_scale = static_cast<float*>(pointer(moments.second_scale));
  call.state = static_cast<int32_t>(moments.state);
  call.index = target.index;
  call.lr = rates.lr;
  call.beta1 = rates.beta1;
  call.beta2 = rates.beta2;
  call.eps = rates.eps;
  call.weight_decay = rates.weight_decay;
  call.updates = static_cast<const float*>(pointer(control.updates));
  call.divisor = static_cast<const float*>(pointer(control.divisor));
  call.skip = static_cast<const float*>(pointer(control.skip));
  check_launch(cuda_kernels()->adamw(&call, current_stream(target.value)), "adamw on cuda");
}

}  // namespace rmkv::kernels::cuda
