// See cell.h.  GRU and minimal cell, the ones in everyday use, are fused; the others are a handful
// of operations.
#include "core/kernels/cell.h"

#include "core/kernels/cpu/cell.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

class GruFunction : public torch::autograd::Function<GruFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& input, const Tensor& recurrent,
                        const Tensor& hidden) {
    ctx->save_for_backward({input, recurrent, hidden});
    Tensor next = at::empty_like(hidden);
    with_row_type(input.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::gru_forward(input.const_data_ptr<T>(), recurrent.const_data_ptr<T>(),
                       hidden.const_data_ptr<float>(), next.mutable_data_ptr<float>(),
                       hidden.size(0), hidden.size(1));
    });
    return next;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &input = saved[0], &recurrent = saved[1], &hidden = saved[2];
    const Tensor grad = grads[0].contiguous();
    Tensor grad_input = at::empty_like(input), grad_recurrent = at::empty_like(recurrent);
    Tensor grad_hidden = at::empty_like(hidden);
    with_row_type(input.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::gru_backward(input.const_data_ptr<T>(), recurrent.const_data_ptr<T>(),
                        hidden.const_data_ptr<float>(), grad.const_data_ptr<float>(),
                        grad_input.mutable_data_ptr<T>(), grad_recurrent.mutable_data_ptr<T>(),
                        grad_hidden.mutable_data_ptr<float>(), hidden.size(0), hidden.size(1));
    });
    return {grad_input, grad_recurrent, grad_hidden};
  }
};

class MinimalFunction : public torch::autograd::Function<MinimalFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& gates, const Tensor& hidden,
                        bool bounded) {
    ctx->save_for_backward({gates, hidden});
    ctx->saved_data["bounded"] = bounded;
    Tensor next = at::empty_like(hidden);
    with_row_type(gates.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::minimal_forward(gates.const_data_ptr<T>(), hidden.const_data_ptr<float>(),
                           next.mutable_data_ptr<float>(), hidden.size(0), hidden.size(1), bounded);
    });
    return next;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &gates = saved[0], &hidden = saved[1];
    const Tensor grad = grads[0].contiguous();
    Tensor grad_gates = at::empty_like(gates), grad_hidden = at::empty_like(hidden);
    with_row_type(gates.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::minimal_backward(gates.const_data_ptr<T>(), hidden.const_data_ptr<float>(),
                            grad.const_data_ptr<float>(), grad_gates.mutable_data_ptr<T>(),
                            grad_hidden.mutable_data_ptr<float>(), hidden.size(0), hidden.size(1),
                            ctx->saved_data["bounded"].toBool());
    });
    return {grad_gates, grad_hidden, Tensor()};
  }
};

Tensor rows_of(const Tensor& x) {
  return x.contiguous().view({-1, x.size(-1)});
}

void check_columns(const char* where, const Tensor& gates, const Tensor& hidden, int64_t times) {
  if (gates.dim() != hidden.dim() || gates.numel() != times * hidden.numel() ||
      gates.size(-1) != times * hidden.size(-1)) {
    fail(where, tensor_text(gates) + " with hidden " + tensor_text(hidden),
         "[.., " + std::to_string(times) + "C] with hidden [.., C]");
  }
}

bool fused_cell_applies(const Tensor& gates, const Tensor& hidden) {
  return has_fused_form(gates) && hidden.scalar_type() == at::kFloat && hidden.numel() > 0;
}

}  // namespace

Tensor gru_cell(const Tensor& input, const Tensor& recurrent, const Tensor& hidden) {
  check_columns("gru_cell input", input, hidden, 3);
  check_columns("gru_cell recurrent", recurrent, hidden, 3);
  if (!fused_cell_applies(input, hidden) || recurrent.scalar_type() != input.scalar_type()) {
    return reference::gru_cell(input, recurrent, hidden);
  }
  return GruFunction::apply(rows_of(input), rows_of(recurrent), rows_of(hidden))
      .view(hidden.sizes());
}

std::pair<Tensor, Tensor> lstm_cell(const Tensor& gates, const Tensor& cell) {
  check_columns("lstm_cell", gates, cell, 4);
  return reference::lstm_cell(gates, cell);
}

Tensor minimal_cell(const Tensor& gates, const Tensor& hidden, bool bounded) {
  check_columns("minimal_cell", gates, hidden, 2);
  if (!fused_cell_applies(gates, hidden)) {
    return reference::minimal_cell(gates, hidden, bounded);
  }
  return MinimalFunction::apply(rows_of(gates), rows_of(hidden), bounded).view(hidden.sizes());
}

Tensor ema_cell(const Tensor& keep, const Tensor& input, const Tensor& hidden) {
  return reference::ema_cell(keep, input, hidden);
}

}  // namespace rmkv::kernels
