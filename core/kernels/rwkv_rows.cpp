// See rwkv_rows.h.
#include "core/kernels/rwkv_rows.h"

#include "core/kernels/cpu/rwkv_rows.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

template <typename T>
const T* pointer(const Tensor& x) {
  return x.defined() ? x.const_data_ptr<T>() : nullptr;
}
template <typename T>
T* target(Tensor& x) {
  return x.defined() ? x.mutable_data_ptr<T>() : nullptr;
}
Tensor like(const Tensor& x) {
  return x.defined() ? at::empty_like(x) : Tensor();
}
Tensor contiguous(const Tensor& x) {
  return x.defined() ? x.contiguous() : Tensor();
}

class RowFunctionOp : public torch::autograd::Function<RowFunctionOp> {
 public:
  // x [rows, C], contiguous.
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const MaybeTensor& given_bias,
                        int64_t function, at::ScalarType out_type) {
    const Tensor bias = tensor_or_undefined(given_bias);
    Tensor out = at::empty(x.sizes(), x.options().dtype(out_type));
    dispatch(x.scalar_type(), out_type, [&](auto* in, auto* result) {
      using In = std::remove_pointer_t<decltype(in)>;
      using Out = std::remove_pointer_t<decltype(result)>;
      cpu::function_forward<In, Out>(static_cast<RowFunction>(function), x.size(0), x.size(1),
                                     pointer<In>(x), pointer<float>(bias), target<Out>(out));
    });
    ctx->save_for_backward({x, bias});
    ctx->saved_data["function"] = function;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &bias = saved[1];
    const Tensor grad_out = grads[0].contiguous();
    Tensor grad_x = at::empty_like(x), grad_bias;
    if (bias.defined()) grad_bias = at::zeros({cpu::kRowBlocks, x.size(1)}, bias.options());
    dispatch(x.scalar_type(), grad_out.scalar_type(), [&](auto* in, auto* result) {
      using In = std::remove_pointer_t<decltype(in)>;
      using Out = std::remove_pointer_t<decltype(result)>;
      cpu::function_backward<In, Out>(static_cast<RowFunction>(ctx->saved_data["function"].toInt()),
                                      x.size(0), x.size(1), pointer<In>(x), pointer<float>(bias),
                                      pointer<Out>(grad_out), target<In>(grad_x),
                                      target<float>(grad_bias));
    });
    return {grad_x, grad_bias.defined() ? grad_bias.sum(0) : Tensor(), Tensor(), Tensor()};
  }

 private:
  // bf16 rows give bf16 or fp32, fp32 rows fp32.
  template <typename Fn>
  static void dispatch(at::ScalarType in, at::ScalarType out, const Fn& fn) {
    if (in == at::kFloat) {
      fn(static_cast<float*>(nullptr), static_cast<float*>(nullptr));
    } else if (out == at::kFloat) {
      fn(static_cast<BFloat16*>(nullptr), static_cast<float*>(nullptr));
    } else {
      fn(static_cast<BFloat16*>(nullptr), static_cast<BFloat16*>(nullptr));
    }
  }
};

class OperandsOp : public torch::autograd::Function<OperandsOp> {
 public:
  // Order of `given`: key, value, decay_change, rate_change, value_change, first_value, decay_bias,
  // rate_bias, value_bias, removal_scale, rate_scale; all contiguous.
  static variable_list forward(AutogradContext* ctx, const Tensor& key, const Tensor& value,
                               const Tensor& decay_change, const Tensor& rate_change,
                               const MaybeTensor& value_change, const MaybeTensor& first_value,
                               const Tensor& decay_bias, const Tensor& rate_bias,
                               const MaybeTensor& value_bias, const Tensor& removal_scale,
                               const Tensor& rate_scale, int64_t heads) {
    const variable_list given = {key,
                                 value,
                                 decay_change,
                                 rate_change,
                                 tensor_or_undefined(value_change),
                                 tensor_or_undefined(first_value),
                                 decay_bias,
                                 rate_bias,
                                 tensor_or_undefined(value_bias),
                                 removal_scale,
                                 rate_scale};
    Tensor decay = at::empty(key.sizes(), key.options().dtype(at::kFloat));
    Tensor out[4];
    for (Tensor& x : out) x = at::empty_like(key);
    with_row_type(key.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::operands_forward<T>(shape_of(key, heads), inputs<T>(given),
                               {target<float>(decay), target<T>(out[0]), target<T>(out[1]),
                                target<T>(out[2]), target<T>(out[3])});
    });
    ctx->save_for_backward(given);
    ctx->saved_data["heads"] = heads;
    return {decay, out[0], out[1], out[2], out[3]};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor& key = saved[0];
    for (Tensor& grad : grads) grad = grad.contiguous();
    Tensor d[6];
    for (size_t i = 0; i < 6; ++i) d[i] = like(saved[i]);
    Tensor sums = at::zeros({cpu::kRowBlocks, 5, key.size(-1)}, saved[6].options());
    with_row_type(key.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::operands_backward<T>(shape_of(key, ctx->saved_data["heads"].toInt()), inputs<T>(saved),
                                {pointer<float>(grads[0]), pointer<T>(grads[1]),
                                 pointer<T>(grads[2]), pointer<T>(grads[3]), pointer<T>(grads[4])},
                                {target<T>(d[0]), target<T>(d[1]), target<T>(d[2]), target<T>(d[3]),
                                 target<T>(d[4]), target<T>(d[5]), target<float>(sums)});
    });
    const auto parameter = sums.sum(0).unbind(0);
    return {d[0],         d[1],         d[2],
            d[3],         d[4],         d[5],
            parameter[0], parameter[1], saved[8].defined() ? parameter[2] : Tensor(),
            parameter[3], parameter[4], Tensor()};
  }

 private:
  static cpu::HeadShape shape_of(const Tensor& rows, int64_t heads) {
    return {rows.numel() / rows.size(-1), heads, rows.size(-1) / heads};
  }
  template <typename T>
  static cpu::OperandInputs<T> inputs(const variable_list& x) {
    return {pointer<T>(x[0]),     pointer<T>(x[1]),     pointer<T>(x[2]),     pointer<T>(x[3]),
            pointer<T>(x[4]),     pointer<T>(x[5]),     pointer<float>(x[6]), pointer<float>(x[7]),
            pointer<float>(x[8]), pointer<float>(x[9]), pointer<float>(x[10])};
  }
};

class HeadOutputOp : public torch::autograd::Function<HeadOutputOp> {
 public:
  // y [rows, H, N]; order of what is saved: y, weight, bias, gate, receptance, key, value, bonus.
  static Tensor forward(AutogradContext* ctx, const Tensor& y, const Tensor& weight,
                        const Tensor& bias, const MaybeTensor& gate, const MaybeTensor& receptance,
                        const MaybeTensor& key, const MaybeTensor& value, const MaybeTensor& bonus,
                        double epsilon) {
    const variable_list given = {y,
                                 weight,
                                 bias,
                                 tensor_or_undefined(gate),
                                 tensor_or_undefined(receptance),
                                 tensor_or_undefined(key),
                                 tensor_or_undefined(value),
                                 tensor_or_undefined(bonus)};
    Tensor out = at::empty_like(y);
    with_row_type(y.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::head_forward<T>({y.size(0), y.size(1), y.size(2)}, inputs<T>(given, epsilon),
                           target<T>(out));
    });
    ctx->save_for_backward(given);
    ctx->saved_data["epsilon"] = epsilon;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &y = saved[0], &weight = saved[1];
    const Tensor grad_out = grads[0].contiguous();
    Tensor grad_y = at::empty_like(y), d[4];
    for (size_t i = 0; i < 4; ++i) d[i] = like(saved[3 + i]);
    Tensor sums = at::zeros({cpu::kRowBlocks, 3, weight.size(0)}, weight.options());
    with_row_type(y.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::head_backward<T>({y.size(0), y.size(1), y.size(2)},
                            inputs<T>(saved, ctx->saved_data["epsilon"].toDouble()),
                            pointer<T>(grad_out),
                            {target<T>(grad_y), target<T>(d[0]), target<T>(d[1]), target<T>(d[2]),
                             target<T>(d[3]), target<float>(sums)});
    });
    const auto parameter = sums.sum(0).unbind(0);
    return {grad_y,       parameter[0],
            parameter[1], d[0],
            d[1],         d[2],
            d[3],         saved[7].defined() ? parameter[2].view(saved[7].sizes()) : Tensor(),
            Tensor()};
  }

 private:
  template <typename T>
  static cpu::HeadInputs<T> inputs(const variable_list& x, double epsilon) {
    return {pointer<T>(x[0]), pointer<float>(x[1]), pointer<float>(x[2]),
            pointer<T>(x[3]), pointer<T>(x[4]),     pointer<T>(x[5]),
            pointer<T>(x[6]), pointer<float>(x[7]), static_cast<float>(epsilon)};
  }
};

}  // namespace

Tensor apply_function(const Tensor& x, RowFunction function, at::ScalarType out,
                      const Tensor& bias) {
  if (bias.defined()) check_shape(bias, "apply_function.bias", {x.size(-1)}, "C");
  const bool narrow_out = out == at::kFloat || (out == at::kBFloat16 && x.scalar_type() == out);
  if (!has_fused_form(x) || !narrow_out) return reference::apply_function(x, function, out, bias);
  return RowFunctionOp::apply(x.contiguous().view({-1, x.size(-1)}), maybe(bias),
                              static_cast<int64_t>(function), out)
      .view(x.sizes());
}

Wkv7Operands wkv7_operands(const Wkv7Projections& in, int64_t heads) {
  const auto shape = in.key.sizes().vec();
  check_shape(in.value, "wkv7_operands.value", shape, "BTD");
  check_shape(in.decay_change, "wkv7_operands.decay_change", shape, "BTD");
  check_shape(in.rate_change, "wkv7_operands.rate_change", shape, "BTD");
  RMKV_ASSERT(in.value_change.defined() == in.first_value.defined());
  RMKV_ASSERT(in.value_change.defined() == in.value_bias.defined());
  if (!has_fused_form(in.key)) return reference::wkv7_operands(in, heads);
  const auto parameter = [](const Tensor& x) { return x.reshape({-1}); };
  const auto results = OperandsOp::apply(
      in.key.contiguous(), in.value.contiguous(), in.decay_change.contiguous(),
      in.rate_change.contiguous(), maybe(contiguous(in.value_change)),
      maybe(contiguous(in.first_value)), parameter(in.decay_bias), parameter(in.rate_bias),
      maybe(in.value_bias), parameter(in.removal_scale), parameter(in.rate_scale), heads);
  return {results[0], results[1], results[2], results[3], results[4]};
}

Tensor head_output(const HeadOutput& in) {
  check_shape(in.y, "head_output.y", {-1, -1, -1, -1}, "BTHN");
  const int64_t B = in.y.size(0), T = in.y.size(1), H = in.y.size(2), N = in.y.size(3);
  check_shape(in.weight, "head_output.weight", {H * N}, "D");
  if (in.gate.defined()) check_shape(in.gate, "head_output.gate", {B, T, H * N}, "BTD");
  if (!has_fused_form(in.y)) return reference::head_output(in);
  const auto rows = [&](const Tensor& x) {
    return maybe(x.defined() ? x.contiguous().view({B * T, H, N}) : Tensor());
  };
  return HeadOutputOp::apply(in.y.contiguous().view({B * T, H, N}), in.weight, in.bias,
                             rows(in.gate), rows(in.receptance), rows(in.key), rows(in.value),
                             maybe(contiguous(in.bonus)), in.epsilon)
      .view({B, T, H * N});
}

}  // namespace rmkv::kernels
