// The row operations around RWKV's recurrence as plain compositions; see reference.h and
// rwkv_rows.h.
#include <cmath>

#include "core/kernels/reference.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::reference {

Tensor apply_function(const Tensor& x, RowFunction function, at::ScalarType out,
                      const Tensor& bias) {
  Tensor wide = x.to(arithmetic_dtype(x.scalar_type()));
  if (bias.defined()) wide = wide + bias;
  switch (function) {
    case RowFunction::kTanh:
      return wide.tanh().to(out);
    case RowFunction::kSigmoid:
      return wide.sigmoid().to(out);
    case RowFunction::kSilu:
      return at::silu(wide).to(out);
    case RowFunction::kReluSquared:
      return wide.relu().square().to(out);
    default:
      return (-wide.exp()).exp().to(out);
  }
}

Wkv7Operands wkv7_operands(const Wkv7Projections& in, int64_t heads) {
  const at::ScalarType row = in.key.scalar_type(), dtype = arithmetic_dtype(row);
  const auto raised = [&](const Tensor& change, const Tensor& bias) {
    return (change.to(dtype) + bias).sigmoid();
  };
  const Tensor key = in.key.to(dtype), rate = raised(in.rate_change, in.rate_bias);
  Tensor value = in.value.to(dtype);
  if (in.value_change.defined()) {
    value = value + (in.first_value.to(dtype) - value) * raised(in.value_change, in.value_bias);
  }
  constexpr double kSmallestNorm = 1e-12;
  const Tensor scaled = (key * in.removal_scale).unflatten(-1, {heads, -1});
  const Tensor kappa =
      (scaled / scaled.norm(2, -1, /*keepdim=*/true).clamp_min(kSmallestNorm)).flatten(-2);
  return {(-std::exp(-0.5) * raised(in.decay_change, in.decay_bias)).exp(),
          (key * (1 + (rate - 1) * in.rate_scale)).to(row), value.to(row), (-kappa).to(row),
          (kappa * rate).to(row)};
}

Tensor head_output(const HeadOutput& in) {
  const at::ScalarType row = in.y.scalar_type(), dtype = arithmetic_dtype(row);
  Tensor out = at::layer_norm(in.y.to(dtype), {in.y.size(-1)}, {}, {}, in.epsilon).flatten(-2);
  out = out * in.weight + in.bias;
  if (in.bonus.defined()) {
    const Tensor bonus =
        (in.receptance.to(dtype) * in.key.to(dtype) * in.bonus).sum(-1, /*keepdim=*/true);
    out = out + (bonus * in.value.to(dtype)).flatten(-2);
  }
  if (in.gate.defined()) out = out * in.gate.to(dtype);
  return out.to(row);
}

}  // namespace rmkv::kernels::reference
