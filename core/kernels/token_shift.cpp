// See token_shift.h.
#include "core/kernels/token_shift.h"

#include "core/kernels/cpu/token_shift.h"
#include "core/kernels/fused.h"
#include "core/kernels/wkv.h"

namespace rmkv::kernels {
namespace {

const uint8_t* pointer_or_null(const Tensor& marks) {
  return marks.defined() ? marks.const_data_ptr<uint8_t>() : nullptr;
}

class ShiftFunction : public torch::autograd::Function<ShiftFunction> {
 public:
  // All contiguous; results (difference, last row).
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& previous,
                               const MaybeTensor& given_marks) {
    const Tensor marks = tensor_or_undefined(given_marks);
    Tensor difference = at::empty_like(x), last = at::empty_like(previous);
    with_row_type(x.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::shift_forward<T>({x.size(0), x.size(1), x.size(2)}, x.const_data_ptr<T>(),
                            previous.const_data_ptr<float>(), pointer_or_null(marks),
                            difference.mutable_data_ptr<T>(), last.mutable_data_ptr<float>());
    });
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({marks});
    ctx->saved_data["rows"] = std::vector<int64_t>(x.sizes().vec());
    ctx->saved_data["dtype"] = static_cast<int64_t>(x.scalar_type());
    return {difference, last};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor marks = ctx->get_saved_variables()[0];
    const auto shape = ctx->saved_data["rows"].toIntVector();
    const auto dtype = static_cast<at::ScalarType>(ctx->saved_data["dtype"].toInt());
    const Tensor grad_difference =
        grads[0].defined() ? grads[0].contiguous() : at::zeros(shape, at::dtype(dtype));
    const Tensor grad_last = grads[1].defined() ? grads[1].contiguous() : Tensor();
    Tensor grad_x = at::empty(shape, at::dtype(dtype));
    Tensor grad_previous = at::empty({shape[0], shape[2]}, at::dtype(at::kFloat));
    with_row_type(dtype, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::shift_backward<T>({shape[0], shape[1], shape[2]}, grad_difference.const_data_ptr<T>(),
                             grad_last.defined() ? grad_last.const_data_ptr<float>() : nullptr,
                             pointer_or_null(marks), grad_x.mutable_data_ptr<T>(),
                             grad_previous.mutable_data_ptr<float>());
    });
    return {grad_x, grad_previous, Tensor()};
  }
};

class MixFunction : public torch::autograd::Function<MixFunction> {
 public:
  // x and difference [rows, C], mixes [J, C], deltas [J, rows, C] or absent; all contiguous.
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& difference,
                        const Tensor& mixes, const MaybeTensor& given_deltas) {
    const Tensor deltas = tensor_or_undefined(given_deltas);
    const int64_t rows = x.size(0), channels = x.size(1), mixtures = mixes.size(0);
    Tensor out = at::empty({mixtures, rows, channels}, x.options());
    with_row_type(x.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::mix_forward<T>(rows, channels, mixtures, x.const_data_ptr<T>(),
                          difference.const_data_ptr<T>(), mixes.const_data_ptr<float>(),
                          deltas.defined() ? deltas.const_data_ptr<T>() : nullptr,
                          out.mutable_data_ptr<T>());
    });
    ctx->save_for_backward({difference, mixes, deltas});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &difference = saved[0], &mixes = saved[1], &deltas = saved[2];
    const Tensor grad_out = grads[0].contiguous();
    Tensor grad_x = at::empty_like(difference), grad_difference = at::empty_like(difference);
    Tensor grad_mixes = at::empty_like(mixes);
    Tensor grad_deltas = deltas.defined() ? at::empty_like(deltas) : Tensor();
    with_row_type(difference.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::mix_backward<T>(
          difference.size(0), difference.size(1), mixes.size(0), difference.const_data_ptr<T>(),
          mixes.const_data_ptr<float>(), deltas.defined() ? deltas.const_data_ptr<T>() : nullptr,
          grad_out.const_data_ptr<T>(), grad_x.mutable_data_ptr<T>(),
          grad_difference.mutable_data_ptr<T>(), grad_mixes.mutable_data_ptr<float>(),
          grad_deltas.defined() ? grad_deltas.mutable_data_ptr<T>() : nullptr);
    });
    return {grad_x, grad_difference, grad_mixes, grad_deltas};
  }
};

}  // namespace

std::pair<Tensor, Tensor> token_shift(const Tensor& x, const Tensor& previous,
                                      const Tensor& marks) {
  check_shape(x, "token_shift.x", {-1, -1, -1}, "BTC");
  check_shape(previous, "token_shift.previous", {x.size(0), x.size(2)}, "BC");
  if (marks.defined()) check_shape(marks, "token_shift.marks", {x.size(0), x.size(1)}, "BT");
  if (!has_fused_form(x)) return reference::token_shift(x, previous, marks);
  const auto results = ShiftFunction::apply(x.contiguous(), previous.to(at::kFloat).contiguous(),
                                            maybe(marks.defined() ? marks.contiguous() : marks));
  return {results[0], results[1]};
}

Tensor mix_rows(const Tensor& x, const Tensor& difference, const Tensor& mixes,
                const Tensor& deltas) {
  check_shape(mixes, "mix_rows.mixes", {-1, x.size(-1)}, "JC");
  auto shape = x.sizes().vec();
  check_shape(difference, "mix_rows.difference", shape, "BTC");
  shape.insert(shape.begin(), mixes.size(0));
  if (deltas.defined()) check_shape(deltas, "mix_rows.deltas", shape, "JBTC");
  if (!has_fused_form(x)) return reference::mix_rows(x, difference, mixes, deltas);
  const auto rows = [&](const Tensor& y) { return y.contiguous().view({-1, x.size(-1)}); };
  const Tensor per_token =
      deltas.defined()
          ? deltas.to(x.scalar_type()).contiguous().view({mixes.size(0), -1, x.size(-1)})
          : Tensor();
  return MixFunction::apply(rows(x), rows(difference.to(x.scalar_type())), mixes.contiguous(),
                            maybe(per_token))
      .view(shape);
}

}  // namespace rmkv::kernels
