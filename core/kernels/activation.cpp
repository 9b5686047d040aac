// See activation.h.
#include "core/kernels/activation.h"

#include "core/kernels/cpu/activation.h"
#include "core/kernels/cuda/activation.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

class SwigluFunction : public torch::autograd::Function<SwigluFunction> {
 public:
  // gate_up [N, 2F], contiguous.
  static Tensor forward(AutogradContext* ctx, const Tensor& gate_up) {
    ctx->save_for_backward({gate_up});
    const int64_t rows = gate_up.size(0), width = gate_up.size(1) / 2;
    Tensor out = at::empty({rows, width}, gate_up.options());
    if (gate_up.is_cuda()) {
      cuda::swiglu_forward(gate_up, out);
      return out;
    }
    with_row_type(gate_up.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::swiglu_forward(gate_up.const_data_ptr<T>(), out.mutable_data_ptr<T>(), rows, width);
    });
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor gate_up = ctx->get_saved_variables()[0];
    const Tensor grad_out = grads[0].contiguous();
    Tensor grad_in = at::empty_like(gate_up);
    if (gate_up.is_cuda()) {
      cuda::swiglu_backward(gate_up, grad_out, grad_in);
      return {grad_in};
    }
    with_row_type(gate_up.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::swiglu_backward(gate_up.const_data_ptr<T>(), grad_out.const_data_ptr<T>(),
                           grad_in.mutable_data_ptr<T>(), gate_up.size(0), gate_up.size(1) / 2);
    });
    return {grad_in};
  }
};

}  // namespace

Tensor swiglu(const Tensor& gate_up) {
  if (gate_up.size(-1) % 2 != 0) {
    fail("swiglu", tensor_text(gate_up), "an even last dimension [.., 2F]");
  }
  if (!has_fused_form(gate_up) && !cuda::has_fused_form(gate_up)) {
    return reference::swiglu(gate_up);
  }
  auto shape = gate_up.sizes().vec();
  shape.back() /= 2;
  return SwigluFunction::apply(gate_up.contiguous().view({-1, gate_up.size(-1)})).view(shape);
}

}  // namespace rmkv::kernels
