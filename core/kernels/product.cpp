// See product.h.
#include "core/kernels/product.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "core/tensor/torch.h"

namespace rmkv::kernels {
namespace {

using Pointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                         c10::string_view, c10::List<std::optional<at::Scalar>>,
                         std::optional<c10::string_view>);

// x W^T + b through oneDNN, a registered operation of libtorch_cpu without a C++ function; null
// when this LibTorch was built without it.
const c10::TypedOperatorHandle<Pointwise>* onednn_linear() {
  static const auto handle = []() -> std::optional<c10::TypedOperatorHandle<Pointwise>> {
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!found) {
      return std::nullopt;
    }
    return found->typed<Pointwise>();
  }();
  return handle ? &*handle : nullptr;
}

}  // namespace

Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias) {
  at::NoGradGuard no_grad;
  if (a.is_cpu() && a.scalar_type() == at::kFloat && a.size(0) > 1) {
    if (const auto* linear = onednn_linear()) {
      return linear->call(a, b.t(),
                          bias.defined() ? std::optional<Tensor>(bias.detach()) : std::nullopt,
                          "none", c10::List<std::optional<at::Scalar>>(), "");
    }
  }
  return bias.defined() ? at::addmm(bias.detach(), a, b) : at::mm(a, b);
}

}  // namespace rmkv::kernels
