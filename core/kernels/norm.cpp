// See norm.h.
#include "core/kernels/norm.h"

#include "core/kernels/cpu/norm.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

// Both norms, with or without the residual addition before: results (out) or (sum, out).
class NormFunction : public torch::autograd::Function<NormFunction> {
 public:
  // x fp32 [N, C], added fp32 or bf16 [N, C] or undefined, weight and bias fp32 [C] (bias
  // undefined: RMSNorm).
  static variable_list forward(AutogradContext* ctx, const Tensor& x,
                               const MaybeTensor& given_added, const Tensor& weight,
                               const MaybeTensor& given_bias, bool centred, double epsilon,
                               at::ScalarType out_type) {
    const Tensor added = tensor_or_undefined(given_added), bias = tensor_or_undefined(given_bias);
    const cpu::NormShape shape{x.size(0), x.size(1), centred, static_cast<float>(epsilon)};
    Tensor out = at::empty({shape.rows, shape.channels}, x.options().dtype(out_type));
    Tensor sum = added.defined() ? at::empty_like(x) : x;
    Tensor inverse = at::empty({shape.rows}, x.options());
    Tensor mean = centred ? at::empty({shape.rows}, x.options()) : Tensor();
    with_row_type(out_type, [&](auto* out_pointer) {
      with_row_type(added.defined() ? added.scalar_type() : at::kFloat, [&](auto* added_pointer) {
        using Out = std::remove_pointer_t<decltype(out_pointer)>;
        using A = std::remove_pointer_t<decltype(added_pointer)>;
        cpu::norm_forward<A, Out>(
            shape, x.const_data_ptr<float>(), added.defined() ? added.const_data_ptr<A>() : nullptr,
            weight.const_data_ptr<float>(), bias.defined() ? bias.const_data_ptr<float>() : nullptr,
            added.defined() ? sum.mutable_data_ptr<float>() : nullptr, out.mutable_data_ptr<Out>(),
            centred ? mean.mutable_data_ptr<float>() : nullptr, inverse.mutable_data_ptr<float>());
      });
    });
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({sum, weight, mean, inverse});
    ctx->saved_data["centred"] = centred;
    ctx->saved_data["added"] =
        added.defined() ? static_cast<int64_t>(added.scalar_type()) : int64_t{-1};
    ctx->saved_data["bias"] = bias.defined();
    return added.defined() ? variable_list{out, sum} : variable_list{out};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &sum = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3];
    const int64_t added_code = ctx->saved_data["added"].toInt();
    const auto added_type = static_cast<at::ScalarType>(added_code);
    const Tensor passed = grads.size() > 1 && grads[1].defined() ? grads[1].contiguous() : Tensor();
    if (!grads[0].defined()) {  // only the sum was used
      return {passed,   added_code >= 0 && passed.defined() ? passed.to(added_type) : Tensor(),
              Tensor(), Tensor(),
              Tensor(), Tensor(),
              Tensor()};
    }
    const Tensor grad_out = grads[0].contiguous();
    const cpu::NormShape shape{sum.size(0), sum.size(1), ctx->saved_data["centred"].toBool()};
    Tensor grad_x = at::empty_like(sum);
    // Where the added rows are fp32 too, both gradients are one tensor.
    const bool narrow_added = added_code >= 0 && added_type != at::kFloat;
    Tensor grad_added =
        narrow_added ? at::empty(sum.sizes(), sum.options().dtype(added_type)) : Tensor();
    Tensor grad_weight = at::empty_like(weight);
    Tensor grad_bias = ctx->saved_data["bias"].toBool() ? at::empty_like(weight) : Tensor();
    with_row_type(grad_out.scalar_type(), [&](auto* out_pointer) {
      using Out = std::remove_pointer_t<decltype(out_pointer)>;
      cpu::norm_backward<BFloat16, Out>(
          shape, sum.const_data_ptr<float>(), grad_out.const_data_ptr<Out>(),
          passed.defined() ? passed.const_data_ptr<float>() : nullptr,
          weight.const_data_ptr<float>(), mean.defined() ? mean.const_data_ptr<float>() : nullptr,
          inverse.const_data_ptr<float>(), grad_x.mutable_data_ptr<float>(),
          narrow_added ? grad_added.mutable_data_ptr<BFloat16>() : nullptr,
          grad_weight.mutable_data_ptr<float>(),
          grad_bias.defined() ? grad_bias.mutable_data_ptr<float>() : nullptr);
    });
    if (added_code >= 0 && !narrow_added) {
      grad_added = grad_x;
    }
    return {grad_x, grad_added, grad_weight, grad_bias, Tensor(), Tensor(), Tensor()};
  }
};

bool fused_norm_applies(const Tensor& x, const Tensor& weight, at::ScalarType out) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat &&
         (out == at::kFloat || out == at::kBFloat16) && x.numel() > 0;
}

Tensor rows_of(const Tensor& x) {
  return x.contiguous().view({-1, x.size(-1)});
}

void check_norm(const char* where, const Tensor& x, const Tensor& weight) {
  if (weight.dim() != 1 || x.dim() < 1 || x.size(-1) != weight.size(0)) {
    fail(where, tensor_text(x) + " with weight " + tensor_text(weight), "[.., C] with weight [C]");
  }
}

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon, at::ScalarType out) {
  check_norm("rms_norm", x, weight);
  if (!fused_norm_applies(x, weight, out)) {
    return reference::rms_norm(x, weight, epsilon, out);
  }
  return NormFunction::apply(rows_of(x), MaybeTensor(), weight, MaybeTensor(), false, epsilon,
                             out)[0]
      .view(x.sizes());
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                  at::ScalarType out) {
  check_norm("layer_norm", x, weight);
  if (!fused_norm_applies(x, weight, out)) {
    return reference::layer_norm(x, weight, bias, epsilon, out);
  }
  return NormFunction::apply(rows_of(x), MaybeTensor(), weight, maybe(bias), true, epsilon, out)[0]
      .view(x.sizes());
}

std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& y, const Tensor& weight,
                                       double epsilon, at::ScalarType out) {
  check_norm("add_rms_norm", x, weight);
  if (!x.sizes().equals(y.sizes())) {
    fail("add_rms_norm", tensor_text(y), "the shape of x, " + tensor_text(x));
  }
  if (!fused_norm_applies(x, weight, out) || !has_fused_form(y)) {
    const Tensor sum = x + y.to(x.scalar_type());
    return {sum, reference::rms_norm(sum, weight, epsilon, out)};
  }
  const auto results = NormFunction::apply(rows_of(x), maybe(rows_of(y)), weight, MaybeTensor(),
                                           false, epsilon, out);
  return {results[1].view(x.sizes()), results[0].view(x.sizes())};
}

}  // namespace rmkv::kernels
