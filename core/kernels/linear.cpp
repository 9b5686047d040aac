// See linear.h.
#include "core/kernels/linear.h"

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return reference::linear(x, weight, bias);
}

Tensor converted_weight(const Tensor& master, at::ScalarType dtype) {
  return master.detach().to(dtype);
}
void forget_converted_weights() {}

}  // namespace rmkv::kernels
