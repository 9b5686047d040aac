// The matrix-state recurrences (RWKV-5, 6 and 7) as one autograd function; see wkv.h.
#include "core/kernels/wkv.h"

#include "core/kernels/cpu/wkv.h"
#include "core/kernels/cuda/wkv.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

template <typename T>
const T* pointer(const Tensor& x) {
  return x.defined() ? x.const_data_ptr<T>() : nullptr;
}
template <typename T>
T* target(const Tensor& x) {
  return x.defined() ? x.mutable_data_ptr<T>() : nullptr;
}

cpu::WkvShape shape_of(const WkvTensors& x) {
  return {x.key.size(0), x.key.size(1), x.key.size(2), x.key.size(3)};
}

template <typename T>
cpu::WkvInputs<T> inputs(const WkvTensors& x) {
  return {pointer<T>(x.receptance), pointer<T>(x.key),         pointer<T>(x.value),
          pointer<T>(x.removal),    pointer<T>(x.replacement), pointer<float>(x.decay),
          x.decay.dim() == 2,       pointer<float>(x.bonus),   pointer<float>(x.state),
          pointer<float>(x.reset),  pointer<uint8_t>(x.marks)};
}

template <typename T>
cpu::WkvGradients<T> targets(const WkvTensors& x) {
  return {target<T>(x.receptance), target<T>(x.key),         target<T>(x.value),
          target<T>(x.removal),    target<T>(x.replacement), target<float>(x.decay),
          target<float>(x.bonus),  target<float>(x.state),   target<float>(x.reset)};
}

// Tensors for the gradients; those of parameters still have a row per lane.
WkvTensors gradients_of(const WkvTensors& x) {
  const auto like = [](const Tensor& y) { return y.defined() ? at::empty_like(y) : Tensor(); };
  const auto per_lane = [&](const Tensor& y) {
    auto shape = y.sizes().vec();
    shape.insert(shape.begin(), x.key.size(0));
    return at::empty(shape, y.options());
  };
  WkvTensors d;
  d.receptance = like(x.receptance);
  d.key = like(x.key);
  d.value = like(x.value);
  d.decay = x.decay.dim() == 2 ? per_lane(x.decay) : like(x.decay);
  if (x.bonus.defined()) d.bonus = per_lane(x.bonus);
  d.removal = like(x.removal);
  d.replacement = like(x.replacement);
  d.state = like(x.state);
  if (x.reset.defined()) d.reset = like(x.state);
  return d;
}

class WkvFunction : public torch::autograd::Function<WkvFunction> {
 public:
  // All contiguous; results (y, final state).
  static variable_list forward(AutogradContext* ctx, const Tensor& receptance, const Tensor& key,
                               const Tensor& value, const Tensor& decay, const MaybeTensor& bonus,
                               const MaybeTensor& removal, const MaybeTensor& replacement,
                               const Tensor& state, const MaybeTensor& reset,
                               const MaybeTensor& marks, bool training) {
    const WkvTensors in = {receptance,
                           key,
                           value,
                           decay,
                           tensor_or_undefined(bonus),
                           tensor_or_undefined(removal),
                           tensor_or_undefined(replacement),
                           state,
                           tensor_or_undefined(reset),
                           tensor_or_undefined(marks)};
    Tensor out = at::empty_like(key), final = at::empty_like(state), kept;
    if (key.is_cuda()) {
      kept = cuda::wkv_forward(in, out, final, training);
    } else {
      const cpu::WkvShape shape = shape_of(in);
      if (training) {
        kept = at::empty({shape.lanes, shape.heads, cpu::wkv_chunks(shape.tokens), shape.padded(),
                          shape.padded()},
                         state.options());
      }
      with_row_type(key.scalar_type(), [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        const auto scan = in.removal.defined() ? cpu::wkv7_forward<T> : cpu::wkv_forward<T>;
        scan(shape, inputs<T>(in), target<T>(out), target<float>(final), target<float>(kept));
      });
    }
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({in.receptance, in.key, in.value, in.decay, in.bonus, in.removal,
                            in.replacement, in.state, in.reset, in.marks, kept});
    return {out, final};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const WkvTensors in = {saved[0], saved[1], saved[2], saved[3], saved[4],
                           saved[5], saved[6], saved[7], saved[8], saved[9]};
    const Tensor& kept = saved[10];
    const Tensor grad_out = grads[0].defined() ? grads[0].contiguous() : at::zeros_like(in.key);
    const Tensor grad_final = grads[1].defined() ? grads[1].contiguous() : Tensor();
    const WkvTensors d = gradients_of(in);
    if (in.key.is_cuda()) {
      cuda::wkv_backward(in, kept, grad_out, grad_final, d);
    } else {
      with_row_type(in.key.scalar_type(), [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        const auto scan = in.removal.defined() ? cpu::wkv7_backward<T> : cpu::wkv_backward<T>;
        scan(shape_of(in), inputs<T>(in), pointer<float>(kept), pointer<T>(grad_out),
             pointer<float>(grad_final), targets<T>(d));
      });
    }
    const auto over_lanes = [](const Tensor& x) { return x.defined() ? x.sum(0) : Tensor(); };
    return {d.receptance,
            d.key,
            d.value,
            in.decay.dim() == 2 ? over_lanes(d.decay) : d.decay,
            over_lanes(d.bonus),
            d.removal,
            d.replacement,
            d.state,
            over_lanes(d.reset),
            Tensor(),
            Tensor()};
  }
};

// Checks what both recurrences have; `name` opens the messages.
void check_common(const std::string& name, const WkvTensors& x) {
  check_shape(x.key, name + ".key", {-1, -1, -1, -1}, "BTHN");
  const auto rows = x.key.sizes().vec();
  const int64_t B = rows[0], T = rows[1], H = rows[2], N = rows[3];
  check_shape(x.receptance, name + ".receptance", rows, "BTHN");
  check_shape(x.value, name + ".value", rows, "BTHN");
  check_shape(x.state, name + ".state", {B, H, N, N}, "BHNN");
  if (x.reset.defined()) check_shape(x.reset, name + ".reset", {H, N, N}, "HNN");
  if (x.marks.defined()) check_shape(x.marks, name + ".marks", {B, T}, "BT");
}

bool has_kernel(const Tensor& key) {
  return has_fused_form(key) || cuda::has_wkv_form(key, key.size(-1));
}

std::pair<Tensor, Tensor> run(const WkvTensors& x) {
  const bool training = wants_gradients(
      {x.receptance, x.key, x.value, x.decay, x.bonus, x.removal, x.replacement, x.state, x.reset});
  const at::ScalarType dtype = x.key.scalar_type();
  const auto row = [&](const Tensor& y) { return y.to(dtype).contiguous(); };
  const auto maybe_row = [&](const Tensor& y) { return maybe(y.defined() ? row(y) : y); };
  const auto optional = [](const Tensor& y) { return maybe(y.defined() ? y.contiguous() : y); };
  const auto results =
      WkvFunction::apply(row(x.receptance), x.key.contiguous(), row(x.value), x.decay.contiguous(),
                         optional(x.bonus), maybe_row(x.removal), maybe_row(x.replacement),
                         x.state.contiguous(), optional(x.reset), optional(x.marks), training);
  return {results[0], results[1]};
}

}  // namespace

std::pair<Tensor, Tensor> wkv(const Tensor& receptance, const Tensor& key, const Tensor& value,
                              const Tensor& decay, const Tensor& bonus, const Tensor& state,
                              const Tensor& reset, const Tensor& marks) {
  const WkvTensors x = {receptance, key, value, decay, bonus, {}, {}, state, reset, marks};
  check_common("wkv", x);
  const int64_t H = key.size(2), N = key.size(3);
  if (decay.dim() == 2) {
    check_shape(decay, "wkv.decay", {H, N}, "HN");
  } else {
    check_shape(decay, "wkv.decay", key.sizes().vec(), "BTHN");
  }
  check_shape(bonus, "wkv.bonus", {H, N}, "HN");
  if (has_kernel(key)) return run(x);
  return reference::wkv(receptance, key, value, decay, bonus, state, reset, marks);
}

std::pair<Tensor, Tensor> wkv7(const Wkv7Rows& rows, const Tensor& state, const Tensor& reset,
                               const Tensor& marks) {
  const WkvTensors x = {rows.receptance, rows.key,         rows.value, rows.decay, {},
                        rows.removal,    rows.replacement, state,      reset,      marks};
  check_common("wkv7", x);
  const auto shape = rows.key.sizes().vec();
  check_shape(rows.decay, "wkv7.decay", shape, "BTHN");
  check_shape(rows.removal, "wkv7.removal", shape, "BTHN");
  check_shape(rows.replacement, "wkv7.replacement", shape, "BTHN");
  if (has_kernel(rows.key)) return run(x);
  return reference::wkv7(rows, state, reset, marks);
}

}  // namespace rmkv::kernels
