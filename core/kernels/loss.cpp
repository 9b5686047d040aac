// See loss.h.
#include "core/kernels/loss.h"

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {

Tensor head_loss(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels,
                 const HeadLossOptions& options) {
  return reference::head_losses(hidden, head_weight, labels, options.z_loss).sum() * options.scale;
}

Tensor head_losses(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels) {
  at::NoGradGuard no_grad;
  return reference::head_losses(hidden, head_weight, labels, 0.0);
}

}  // namespace rmkv::kernels
