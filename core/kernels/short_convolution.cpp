// See short_convolution.h.
#include "core/kernels/short_convolution.h"

#include "core/kernels/cpu/short_convolution.h"
#include "core/kernels/fused.h"
#include "core/kernels/wkv.h"

namespace rmkv::kernels {
namespace {

const uint8_t* pointer_or_null(const Tensor& marks) {
  return marks.defined() ? marks.const_data_ptr<uint8_t>() : nullptr;
}

class ConvolutionFunction : public torch::autograd::Function<ConvolutionFunction> {
 public:
  // All contiguous, recent in the dtype of x; results (rows, newest rows).
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& recent,
                               const Tensor& weights, const MaybeTensor& given_marks) {
    const Tensor marks = tensor_or_undefined(given_marks);
    Tensor out = at::empty_like(x), last = at::empty_like(recent);
    with_row_type(x.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::convolution_forward<T>({x.size(0), x.size(1), x.size(2), weights.size(0)},
                                  x.const_data_ptr<T>(), recent.const_data_ptr<T>(),
                                  weights.const_data_ptr<float>(), pointer_or_null(marks),
                                  out.mutable_data_ptr<T>(), last.mutable_data_ptr<T>());
    });
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({x, recent, weights, marks});
    return {out, last};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &recent = saved[1], &weights = saved[2], &marks = saved[3];
    const Tensor grad_out = grads[0].defined() ? grads[0].contiguous() : at::zeros_like(x);
    const Tensor grad_last = grads[1].defined() ? grads[1].contiguous() : Tensor();
    Tensor grad_x = at::empty_like(x), grad_recent = at::empty_like(recent);
    Tensor grad_weights =
        at::empty({x.size(0), weights.size(0), weights.size(1)}, weights.options());
    with_row_type(x.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::convolution_backward<T>({x.size(0), x.size(1), x.size(2), weights.size(0)},
                                   x.const_data_ptr<T>(), recent.const_data_ptr<T>(),
                                   weights.const_data_ptr<float>(), pointer_or_null(marks),
                                   grad_out.const_data_ptr<T>(),
                                   grad_last.defined() ? grad_last.const_data_ptr<T>() : nullptr,
                                   grad_x.mutable_data_ptr<T>(), grad_recent.mutable_data_ptr<T>(),
                                   grad_weights.mutable_data_ptr<float>());
    });
    return {grad_x, grad_recent, grad_weights.sum(0), Tensor()};
  }
};

}  // namespace

std::pair<Tensor, Tensor> short_convolution(const Tensor& x, const Tensor& recent,
                                            const Tensor& weights, const Tensor& marks) {
  check_shape(x, "short_convolution.x", {-1, -1, -1}, "BTC");
  check_shape(weights, "short_convolution.weights", {-1, x.size(2)}, "WC");
  check_shape(recent, "short_convolution.recent", {x.size(0), weights.size(0), x.size(2)}, "BWC");
  if (marks.defined()) check_shape(marks, "short_convolution.marks", {x.size(0), x.size(1)}, "BT");
  if (weights.size(0) < 1 || weights.size(0) > kMostConvolutionRows) {
    fail("short_convolution.weights", tensor_text(weights),
         "1 to " + std::to_string(kMostConvolutionRows) + " rows");
  }
  const Tensor before = recent.to(x.scalar_type());
  if (!has_fused_form(x)) return reference::short_convolution(x, before, weights, marks);
  const auto results =
      ConvolutionFunction::apply(x.contiguous(), before.contiguous(), weights.contiguous(),
                                 maybe(marks.defined() ? marks.contiguous() : marks));
  return {results[0], results[1]};
}

}  // namespace rmkv::kernels
