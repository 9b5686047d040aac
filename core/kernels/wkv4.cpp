// RWKV-4's recurrence as an autograd function; see wkv.h.
#include "core/kernels/cpu/wkv4.h"

#include "core/kernels/cuda/wkv.h"
#include "core/kernels/fused.h"
#include "core/kernels/wkv.h"

namespace rmkv::kernels {
namespace {

const uint8_t* pointer_or_null(const Tensor& marks) {
  return marks.defined() ? marks.const_data_ptr<uint8_t>() : nullptr;
}

template <typename T>
cpu::Wkv4Inputs<T> inputs(const Tensor& key, const Tensor& value, const Tensor& decay,
                          const Tensor& bonus, const Tensor& state, const Tensor& marks) {
  return {key.const_data_ptr<T>(),       value.const_data_ptr<T>(),
          decay.const_data_ptr<float>(), bonus.const_data_ptr<float>(),
          state.const_data_ptr<float>(), pointer_or_null(marks)};
}

class Wkv4Function : public torch::autograd::Function<Wkv4Function> {
 public:
  // All contiguous; results (y, final state).
  static variable_list forward(AutogradContext* ctx, const Tensor& key, const Tensor& value,
                               const Tensor& decay, const Tensor& bonus, const Tensor& state,
                               const MaybeTensor& given_marks, bool training) {
    const Tensor marks = tensor_or_undefined(given_marks);
    const cpu::Wkv4Shape shape{key.size(0), key.size(1), key.size(2)};
    Tensor out = at::empty_like(key), final = at::empty_like(state), kept;
    if (key.is_cuda()) {
      kept = cuda::wkv4_forward(key, value, decay, bonus, state, marks, out, final, training);
      ctx->set_materialize_grads(false);
      ctx->save_for_backward({key, value, decay, bonus, state, marks, final, kept});
      return {out, final};
    }
    if (training) {
      kept = at::empty({shape.lanes, cpu::wkv_chunks(shape.tokens), 3, shape.channels},
                       state.options());
    }
    with_row_type(key.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::wkv4_forward<T>(shape, inputs<T>(key, value, decay, bonus, state, marks),
                           out.mutable_data_ptr<T>(), final.mutable_data_ptr<float>(),
                           training ? kept.mutable_data_ptr<float>() : nullptr);
    });
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({key, value, decay, bonus, state, marks, final, kept});
    return {out, final};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &key = saved[0], &state = saved[4];
    const cpu::Wkv4Shape shape{key.size(0), key.size(1), key.size(2)};
    const Tensor grad_out = grads[0].defined() ? grads[0].contiguous() : at::zeros_like(key);
    const Tensor grad_final = grads[1].defined() ? grads[1].contiguous() : Tensor();
    Tensor grad_key = at::empty_like(key), grad_value = at::empty_like(key);
    Tensor grad_decay = at::empty({shape.lanes, shape.channels}, state.options());
    Tensor grad_bonus = at::empty_like(grad_decay), grad_state = at::empty_like(state);
    if (key.is_cuda()) {
      cuda::wkv4_backward(saved, grad_out, grad_final,
                          {grad_key, grad_value, grad_decay, grad_bonus, grad_state});
      return {grad_key,   grad_value, grad_decay.sum(0), grad_bonus.sum(0),
              grad_state, Tensor(),   Tensor()};
    }
    with_row_type(key.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::wkv4_backward<T>(
          shape, inputs<T>(key, saved[1], saved[2], saved[3], state, saved[5]),
          saved[7].const_data_ptr<float>(), saved[6].const_data_ptr<float>(),
          grad_out.const_data_ptr<T>(),
          grad_final.defined() ? grad_final.const_data_ptr<float>() : nullptr,
          {grad_key.mutable_data_ptr<T>(), grad_value.mutable_data_ptr<T>(),
           grad_decay.mutable_data_ptr<float>(), grad_bonus.mutable_data_ptr<float>(),
           grad_state.mutable_data_ptr<float>()});
    });
    return {grad_key,   grad_value, grad_decay.sum(0), grad_bonus.sum(0),
            grad_state, Tensor(),   Tensor()};
  }
};

}  // namespace

Tensor wkv4_empty_state(int64_t lanes, int64_t channels, const at::TensorOptions& options) {
  Tensor state = at::zeros({lanes, 3, channels}, options);
  state.select(1, 2).fill_(cpu::kWkv4Nothing);
  return state;
}

std::pair<Tensor, Tensor> wkv4(const Tensor& key, const Tensor& value, const Tensor& decay,
                               const Tensor& bonus, const Tensor& state, const Tensor& marks) {
  check_shape(key, "wkv4.key", {-1, -1, -1}, "BTC");
  const int64_t B = key.size(0), T = key.size(1), C = key.size(2);
  check_shape(value, "wkv4.value", {B, T, C}, "BTC");
  check_shape(decay, "wkv4.decay", {C}, "C");
  check_shape(bonus, "wkv4.bonus", {C}, "C");
  check_shape(state, "wkv4.state", {B, 3, C}, "B3C");
  if (marks.defined()) check_shape(marks, "wkv4.marks", {B, T}, "BT");
  if (!has_fused_form(key) && !cuda::has_wkv_form(key, 64)) {
    return reference::wkv4(key, value, decay, bonus, state, marks);
  }
  const auto results =
      Wkv4Function::apply(key.contiguous(), value.contiguous(), decay.to(at::kFloat).contiguous(),
                          bonus.to(at::kFloat).contiguous(), state.contiguous(),
                          maybe(marks.defined() ? marks.contiguous() : marks),
                          wants_gradients({key, value, decay, bonus, state}));
  return {results[0], results[1]};
}

}  // namespace rmkv::kernels
