// The recurrence of RWKV-7 as an autograd function; see wkv.h.
#include "core/kernels/cpu/wkv7.h"

#include "core/kernels/cuda/wkv.h"
#include "core/kernels/fused.h"
#include "core/kernels/wkv.h"

namespace rmkv::kernels {
namespace {

cpu::WkvShape shape_of(const Tensor& rows) {
  return {rows.size(0), rows.size(1), rows.size(2), rows.size(3)};
}

// saved: receptance, decay, key, value, removal, replacement, state, reset, marks.
template <typename T>
cpu::Wkv7Inputs<T> inputs(const variable_list& saved) {
  return {saved[0].const_data_ptr<T>(),
          saved[1].const_data_ptr<float>(),
          saved[2].const_data_ptr<T>(),
          saved[3].const_data_ptr<T>(),
          saved[4].const_data_ptr<T>(),
          saved[5].const_data_ptr<T>(),
          saved[6].const_data_ptr<float>(),
          saved[7].defined() ? saved[7].const_data_ptr<float>() : nullptr,
          saved[8].defined() ? saved[8].const_data_ptr<uint8_t>() : nullptr};
}

class Wkv7Function : public torch::autograd::Function<Wkv7Function> {
 public:
  // All contiguous; results (y, final state).
  static variable_list forward(AutogradContext* ctx, const Tensor& receptance, const Tensor& decay,
                               const Tensor& key, const Tensor& value, const Tensor& removal,
                               const Tensor& replacement, const Tensor& state,
                               const MaybeTensor& reset, const MaybeTensor& marks, bool training) {
    const cpu::WkvShape shape = shape_of(key);
    variable_list saved = {receptance,
                           decay,
                           key,
                           value,
                           removal,
                           replacement,
                           state,
                           tensor_or_undefined(reset),
                           tensor_or_undefined(marks)};
    Tensor out = at::empty_like(key), final = at::empty_like(state), kept;
    if (key.is_cuda()) {
      saved.push_back(cuda::wkv7_forward(saved, out, final, training));
      ctx->set_materialize_grads(false);
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
      cpu::wkv7_forward<T>(shape, inputs<T>(saved), out.mutable_data_ptr<T>(),
                           final.mutable_data_ptr<float>(),
                           training ? kept.mutable_data_ptr<float>() : nullptr);
    });
    ctx->set_materialize_grads(false);
    saved.push_back(kept);
    ctx->save_for_backward(saved);
    return {out, final};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &key = saved[2], &state = saved[6], &reset = saved[7];
    const Tensor grad_out = grads[0].defined() ? grads[0].contiguous() : at::zeros_like(key);
    const Tensor grad_final = grads[1].defined() ? grads[1].contiguous() : Tensor();
    Tensor d[6];
    for (size_t i = 0; i < 6; ++i) d[i] = at::empty_like(saved[i]);
    Tensor grad_state = at::empty_like(state);
    Tensor grad_reset = reset.defined() ? at::empty_like(state) : Tensor();
    if (key.is_cuda()) {
      cuda::wkv7_backward(saved, grad_out, grad_final,
                          {d[0], d[1], d[2], d[3], d[4], d[5], grad_state, grad_reset});
    } else {
      with_row_type(key.scalar_type(), [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        cpu::wkv7_backward<T>(
            shape_of(key), inputs<T>(saved), saved[9].const_data_ptr<float>(),
            grad_out.const_data_ptr<T>(),
            grad_final.defined() ? grad_final.const_data_ptr<float>() : nullptr,
            {d[0].mutable_data_ptr<T>(), d[1].mutable_data_ptr<float>(), d[2].mutable_data_ptr<T>(),
             d[3].mutable_data_ptr<T>(), d[4].mutable_data_ptr<T>(), d[5].mutable_data_ptr<T>(),
             grad_state.mutable_data_ptr<float>(),
             grad_reset.defined() ? grad_reset.mutable_data_ptr<float>() : nullptr});
      });
    }
    return {d[0],     d[1],    d[2],       d[3],
            d[4],     d[5],    grad_state, grad_reset.defined() ? grad_reset.sum(0) : Tensor(),
            Tensor(), Tensor()};
  }
};

}  // namespace

std::pair<Tensor, Tensor> wkv7(const Wkv7Rows& rows, const Tensor& state, const Tensor& reset,
                               const Tensor& marks) {
  check_shape(rows.key, "wkv7.key", {-1, -1, -1, -1}, "BTHN");
  const auto shape = rows.key.sizes().vec();
  const int64_t B = shape[0], T = shape[1], H = shape[2], N = shape[3];
  check_shape(rows.receptance, "wkv7.receptance", shape, "BTHN");
  check_shape(rows.decay, "wkv7.decay", shape, "BTHN");
  check_shape(rows.value, "wkv7.value", shape, "BTHN");
  check_shape(rows.removal, "wkv7.removal", shape, "BTHN");
  check_shape(rows.replacement, "wkv7.replacement", shape, "BTHN");
  check_shape(state, "wkv7.state", {B, H, N, N}, "BHNN");
  if (reset.defined()) check_shape(reset, "wkv7.reset", {H, N, N}, "HNN");
  if (marks.defined()) check_shape(marks, "wkv7.marks", {B, T}, "BT");
  if (!has_fused_form(rows.key) && !cuda::has_wkv_form(rows.key, N))
    return reference::wkv7(rows, state, reset, marks);
  const at::ScalarType dtype = rows.key.scalar_type();
  const auto row = [&](const Tensor& x) { return x.to(dtype).contiguous(); };
  const auto results =
      Wkv7Function::apply(row(rows.receptance), rows.decay.contiguous(), row(rows.key),
                          row(rows.value), row(rows.removal), row(rows.replacement),
                          state.contiguous(), maybe(reset.defined() ? reset.contiguous() : reset),
                          maybe(marks.defined() ? marks.contiguous() : marks),
                          wants_gradients({rows.receptance, rows.decay, rows.key, rows.value,
                                           rows.removal, rows.replacement, state, reset}));
  return {results[0], results[1]};
}

}  // namespace rmkv::kernels
