// The recurrence of RWKV-5 and 6 as an autograd function; see wkv.h.
#include "core/kernels/wkv.h"

#include "core/kernels/cpu/wkv.h"
#include "core/kernels/cuda/wkv.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

cpu::WkvShape shape_of(const Tensor& rows) {
  return {rows.size(0), rows.size(1), rows.size(2), rows.size(3)};
}

// saved: receptance, key, value, decay, bonus, state, reset, marks.
template <typename T>
cpu::WkvInputs<T> inputs(const variable_list& saved) {
  return {saved[0].const_data_ptr<T>(),
          saved[1].const_data_ptr<T>(),
          saved[2].const_data_ptr<T>(),
          saved[3].const_data_ptr<float>(),
          saved[3].dim() == 2,
          saved[4].const_data_ptr<float>(),
          saved[5].const_data_ptr<float>(),
          saved[6].defined() ? saved[6].const_data_ptr<float>() : nullptr,
          saved[7].defined() ? saved[7].const_data_ptr<uint8_t>() : nullptr};
}

class WkvFunction : public torch::autograd::Function<WkvFunction> {
 public:
  // All contiguous; results (y, final state).
  static variable_list forward(AutogradContext* ctx, const Tensor& receptance, const Tensor& key,
                               const Tensor& value, const Tensor& decay, const Tensor& bonus,
                               const Tensor& state, const MaybeTensor& reset,
                               const MaybeTensor& marks, bool training) {
    const cpu::WkvShape shape = shape_of(key);
    const variable_list given = {receptance,
                                 key,
                                 value,
                                 decay,
                                 bonus,
                                 state,
                                 tensor_or_undefined(reset),
                                 tensor_or_undefined(marks)};
    Tensor out = at::empty_like(key), final = at::empty_like(state), kept;
    if (key.is_cuda()) {
      kept = cuda::wkv_forward(given, out, final, training);
      ctx->set_materialize_grads(false);
      variable_list saved = given;
      saved.push_back(kept);
      ctx->save_for_backward(saved);
      return {out, final};
    }
    if (training) {
      kept = at::empty(
          {shape.lanes, shape.heads, cpu::wkv_chunks(shape.tokens), shape.padded(), shape.padded()},
          state.options());
    }
    with_row_type(key.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      cpu::wkv_forward<T>(shape, inputs<T>(given), out.mutable_data_ptr<T>(),
                          final.mutable_data_ptr<float>(),
                          training ? kept.mutable_data_ptr<float>() : nullptr);
    });
    ctx->set_materialize_grads(false);
    variable_list saved = given;
    saved.push_back(kept);
    ctx->save_for_backward(saved);
    return {out, final};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &key = saved[1], &decay = saved[3], &state = saved[5], &reset = saved[6];
    const cpu::WkvShape shape = shape_of(key);
    const Tensor grad_out = grads[0].defined() ? grads[0].contiguous() : at::zeros_like(key);
    const Tensor grad_final = grads[1].defined() ? grads[1].contiguous() : Tensor();
    const bool constant = decay.dim() == 2;
    const std::vector<int64_t> per_lane = {shape.lanes, shape.heads, shape.head_size};
    Tensor grad_r = at::empty_like(key), grad_k = at::empty_like(key), grad_v = at::empty_like(key);
    Tensor grad_decay = constant ? at::empty(per_lane, state.options()) : at::empty_like(decay);
    Tensor grad_bonus = at::empty(per_lane, state.options()), grad_state = at::empty_like(state);
    Tensor grad_reset = reset.defined() ? at::empty_like(state) : Tensor();
    if (key.is_cuda()) {
      cuda::wkv_backward(saved, grad_out, grad_final,
                         {grad_r, grad_k, grad_v, grad_decay, grad_bonus, grad_state, grad_reset});
    } else {
      with_row_type(key.scalar_type(), [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        cpu::wkv_backward<T>(
            shape, inputs<T>(saved), saved[8].const_data_ptr<float>(), grad_out.const_data_ptr<T>(),
            grad_final.defined() ? grad_final.const_data_ptr<float>() : nullptr,
            {grad_r.mutable_data_ptr<T>(), grad_k.mutable_data_ptr<T>(),
             grad_v.mutable_data_ptr<T>(), grad_decay.mutable_data_ptr<float>(),
             grad_bonus.mutable_data_ptr<float>(), grad_state.mutable_data_ptr<float>(),
             grad_reset.defined() ? grad_reset.mutable_data_ptr<float>() : nullptr});
      });
    }
    return {grad_r,
            grad_k,
            grad_v,
            constant ? grad_decay.sum(0) : grad_decay,
            grad_bonus.sum(0),
            grad_state,
            grad_reset.defined() ? grad_reset.sum(0) : Tensor(),
            Tensor(),
            Tensor()};
  }
};

}  // namespace

std::pair<Tensor, Tensor> wkv(const Tensor& receptance, const Tensor& key, const Tensor& value,
                              const Tensor& decay, const Tensor& bonus, const Tensor& state,
                              const Tensor& reset, const Tensor& marks) {
  check_shape(key, "wkv.key", {-1, -1, -1, -1}, "BTHN");
  const int64_t B = key.size(0), T = key.size(1), H = key.size(2), N = key.size(3);
  check_shape(receptance, "wkv.receptance", {B, T, H, N}, "BTHN");
  check_shape(value, "wkv.value", {B, T, H, N}, "BTHN");
  if (decay.dim() == 2) {
    check_shape(decay, "wkv.decay", {H, N}, "HN");
  } else {
    check_shape(decay, "wkv.decay", {B, T, H, N}, "BTHN");
  }
  check_shape(bonus, "wkv.bonus", {H, N}, "HN");
  check_shape(state, "wkv.state", {B, H, N, N}, "BHNN");
  if (reset.defined()) check_shape(reset, "wkv.reset", {H, N, N}, "HNN");
  if (marks.defined()) check_shape(marks, "wkv.marks", {B, T}, "BT");
  if (!has_fused_form(key) && !cuda::has_wkv_form(key, N)) {
    return reference::wkv(receptance, key, value, decay, bonus, state, reset, marks);
  }
  const auto results = WkvFunction::apply(
      receptance.contiguous(), key.contiguous(), value.contiguous(), decay.contiguous(),
      bonus.contiguous(), state.contiguous(), maybe(reset.defined() ? reset.contiguous() : reset),
      maybe(marks.defined() ? marks.contiguous() : marks),
      wants_gradients({receptance, key, value, decay, bonus, state, reset}));
  return {results[0], results[1]};
}

}  // namespace rmkv::kernels
