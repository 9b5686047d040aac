// See linear.h.
#include "core/kernels/linear.h"

#include <mutex>
#include <unordered_map>

#include "core/kernels/fused.h"
#include "core/kernels/product.h"

namespace rmkv::kernels {
namespace {

struct ConvertedWeight {
  c10::weak_intrusive_ptr<c10::TensorImpl> master;
  uint32_t version;
  Tensor copy;
};

std::mutex converted_mutex;
std::unordered_map<const c10::TensorImpl*, ConvertedWeight> converted_weights;

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  // x [N, I], weight [O, I], bias [O] or undefined.
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const MaybeTensor& given_bias) {
    const Tensor bias = tensor_or_undefined(given_bias);
    const Tensor w = converted_weight(weight, x.scalar_type());
    ctx->save_for_backward({x, w});
    ctx->saved_data["bias"] = bias.defined();
    ctx->saved_data["master"] = static_cast<int64_t>(weight.scalar_type());
    return product(x, w.t(), bias.defined() ? bias.to(x.scalar_type()) : Tensor());
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1];
    const Tensor grad = grads[0].contiguous();
    const auto master = static_cast<at::ScalarType>(ctx->saved_data["master"].toInt());
    Tensor grad_x, grad_weight, grad_bias;
    if (ctx->needs_input_grad(0)) {
      grad_x = product(grad, w);
    }
    if (ctx->needs_input_grad(1)) {
      grad_weight = weight_gradient(grad, x, master);
    }
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) {
      grad_bias = grad.sum(0, /*keepdim=*/false, master);
    }
    return {grad_x, grad_weight, grad_bias};
  }
};

}  // namespace

Tensor converted_weight(const Tensor& master, at::ScalarType dtype) {
  if (master.scalar_type() == dtype) {
    return master.detach();
  }
  at::NoGradGuard no_grad;
  if (!master.is_leaf() || master.is_inference()) {
    return master.detach().to(dtype);
  }
  const std::lock_guard<std::mutex> lock(converted_mutex);
  const auto found = converted_weights.find(master.unsafeGetTensorImpl());
  // A dead master's address may belong to another tensor by now; the weak pointer tells.
  if (found != converted_weights.end() && !found->second.master.expired() &&
      found->second.version == master._version() && found->second.copy.scalar_type() == dtype) {
    return found->second.copy;
  }
  std::erase_if(converted_weights, [](const auto& entry) { return entry.second.master.expired(); });
  Tensor copy = master.detach().to(dtype);
  converted_weights.insert_or_assign(
      master.unsafeGetTensorImpl(),
      ConvertedWeight{c10::weak_intrusive_ptr<c10::TensorImpl>(master.getIntrusivePtr()),
                      static_cast<uint32_t>(master._version()), copy});
  return copy;
}

Tensor working_copy(const Tensor& master) {
  const std::lock_guard<std::mutex> lock(converted_mutex);
  const auto found = converted_weights.find(master.unsafeGetTensorImpl());
  if (found == converted_weights.end() || found->second.master.expired() ||
      found->second.version != master._version() ||
      found->second.copy.scalar_type() != at::kBFloat16) {
    return {};
  }
  return found->second.copy;
}

void confirm_working_copy(const Tensor& master) {
  const std::lock_guard<std::mutex> lock(converted_mutex);
  const auto found = converted_weights.find(master.unsafeGetTensorImpl());
  RMKV_ASSERT(found != converted_weights.end() && !found->second.master.expired());
  found->second.version = static_cast<uint32_t>(master._version());
}

void forget_converted_weights() {
  const std::lock_guard<std::mutex> lock(converted_mutex);
  converted_weights.clear();
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (weight.dim() != 2 || x.dim() < 1 || x.size(-1) != weight.size(1)) {
    fail("linear", tensor_text(x) + " with weight " + tensor_text(weight),
         "[.., I] with weight [O, I]");
  }
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  const Tensor rows = x.reshape({-1, x.size(-1)});
  if (x.scalar_type() == at::kDouble) {
    return reference::linear(rows, weight, bias)
        .view(shape);  // twice differentiable, for the tests
  }
  return LinearFunction::apply(rows, weight, maybe(bias)).view(shape);
}

}  // namespace rmkv::kernels
