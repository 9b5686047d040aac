// See norm.h.
#include "core/kernels/norm.h"

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon, at::ScalarType out) {
  return reference::rms_norm(x, weight, epsilon, out);
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                  at::ScalarType out) {
  return reference::layer_norm(x, weight, bias, epsilon, out);
}

std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& y, const Tensor& weight,
                                       double epsilon, at::ScalarType out) {
  const Tensor sum = x + y.to(x.scalar_type());
  return {sum, reference::rms_norm(sum, weight, epsilon, out)};
}

}  // namespace rmkv::kernels
