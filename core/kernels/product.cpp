// See product.h.
#include "core/kernels/product.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <atomic>

#include "core/kernels/cpu/row_product.h"
#include "core/kernels/cpu/weight_gradient.h"
#include "core/kernels/fused.h"

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

std::atomic<bool> row_invariant_mode{false};

Tensor row_invariant_product(const Tensor& a, const Tensor& b, const Tensor& bias) {
  const Tensor rows = a.contiguous(), weight = b.t().contiguous();  // outputs as rows
  const Tensor wide_bias = bias.defined() ? bias.detach().to(at::kFloat).contiguous() : Tensor();
  Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  with_row_type(a.scalar_type(), [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    cpu::row_product<T>(rows.const_data_ptr<T>(), weight.const_data_ptr<T>(),
                        wide_bias.defined() ? wide_bias.const_data_ptr<float>() : nullptr,
                        out.mutable_data_ptr<T>(), rows.size(0), rows.size(1), weight.size(0));
  });
  return out;
}

bool own_gradient_applies(const Tensor& grad, const Tensor& x, at::ScalarType sum) {
  return has_fused_form(x) && sum == at::kFloat && grad.size(1) % cpu::kWeightMultiple == 0 &&
         x.size(1) % cpu::kWeightMultiple == 0 && grad.stride(1) == 1 && x.stride(1) == 1 &&
         x.size(0) > 0;
}

void own_gradient(const Tensor& grad, const Tensor& x, Tensor& sum, bool accumulate) {
  with_row_type(x.scalar_type(), [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    cpu::weight_gradient<T>(grad.const_data_ptr<T>(), grad.stride(0), x.const_data_ptr<T>(),
                            x.stride(0), sum.mutable_data_ptr<float>(), x.size(0), grad.size(1),
                            x.size(1), accumulate);
  });
}

}  // namespace

Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias) {
  at::NoGradGuard no_grad;
  if (row_invariant() && has_fused_form(a) && b.scalar_type() == a.scalar_type()) {
    return row_invariant_product(a, b, bias);
  }
  if (a.is_cpu() && a.scalar_type() == at::kFloat && a.size(0) > 1) {
    if (const auto* linear = onednn_linear()) {
      return linear->call(a, b.t(),
                          bias.defined() ? std::optional<Tensor>(bias.detach()) : std::nullopt,
                          "none", c10::List<std::optional<at::Scalar>>(), "");
    }
  }
  return bias.defined() ? at::addmm(bias.detach(), a, b) : at::mm(a, b);
}

Tensor weight_gradient(const Tensor& grad, const Tensor& x, at::ScalarType out) {
  at::NoGradGuard no_grad;
  if (!own_gradient_applies(grad, x, out)) {
    return product(grad.t(), x).to(out);
  }
  Tensor sum = at::empty({grad.size(1), x.size(1)}, x.options().dtype(at::kFloat));
  own_gradient(grad, x, sum, /*accumulate=*/false);
  return sum;
}

void add_weight_gradient(const Tensor& grad, const Tensor& x, Tensor& sum) {
  at::NoGradGuard no_grad;
  if (own_gradient_applies(grad, x, sum.scalar_type()) && sum.is_contiguous()) {
    own_gradient(grad, x, sum, /*accumulate=*/true);
  } else {
    sum.add_(product(grad.t(), x));
  }
}

void set_row_invariant(bool on) {
  row_invariant_mode = on;
}
bool row_invariant() {
  return row_invariant_mode;
}

}  // namespace rmkv::kernels
