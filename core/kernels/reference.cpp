// See reference.h.  Attention is in reference_attention.cpp.
#include "core/kernels/reference.h"

#include "core/kernels/rotary.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels::reference {

at::ScalarType arithmetic_dtype(at::ScalarType dtype) {
  return dtype == at::kDouble ? at::kDouble : at::kFloat;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor product = at::matmul(x, weight.to(x.scalar_type()).t());
  return bias.defined() ? product + bias.to(x.scalar_type()) : product;
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon, at::ScalarType out) {
  const auto dtype = arithmetic_dtype(x.scalar_type());
  const Tensor rows = x.to(dtype);
  const Tensor inverse = (rows.square().mean(-1, /*keepdim=*/true) + epsilon).rsqrt();
  return (rows * inverse * weight.to(dtype)).to(out);
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                  at::ScalarType out) {
  const auto dtype = arithmetic_dtype(x.scalar_type());
  const Tensor rows = x.to(dtype);
  const Tensor centred = rows - rows.mean(-1, /*keepdim=*/true);
  const Tensor inverse = (centred.square().mean(-1, /*keepdim=*/true) + epsilon).rsqrt();
  const Tensor scaled = centred * inverse * weight.to(dtype);
  return (bias.defined() ? scaled + bias.to(dtype) : scaled).to(out);
}

Tensor swiglu(const Tensor& gate_up) {
  const auto dtype = arithmetic_dtype(gate_up.scalar_type());
  const auto halves = gate_up.to(dtype).chunk(2, -1);
  return (at::silu(halves[0]) * halves[1]).to(gate_up.scalar_type());
}

Tensor rotate(const Tensor& x, int64_t offset, double base) {
  const auto dtype = arithmetic_dtype(x.scalar_type());
  const Tensor table = rotary_table(offset, x.size(1), x.size(3), base, dtype, x.device());
  const Tensor cosine = table[0].unsqueeze(1), sine = table[1].unsqueeze(1);  // [T, 1, D/2]
  const auto halves = x.to(dtype).chunk(2, -1);
  return at::cat({halves[0] * cosine - halves[1] * sine, halves[1] * cosine + halves[0] * sine}, -1)
      .to(x.scalar_type());
}

Tensor head_losses(const Tensor& hidden, const Tensor& head_weight, const Tensor& labels,
                   double z_loss) {
  const Tensor logits =
      reference::linear(hidden, head_weight, {}).to(arithmetic_dtype(hidden.scalar_type()));
  const Tensor log_z = logits.logsumexp(-1);
  const Tensor counted = labels.ne(kIgnoredLabel);
  const Tensor target = logits.gather(-1, labels.clamp_min(0).unsqueeze(-1)).squeeze(-1);
  const Tensor losses = log_z - target + z_loss * log_z.square();
  return at::where(counted, losses, at::zeros_like(losses));
}

Tensor gru_cell(const Tensor& input, const Tensor& recurrent, const Tensor& hidden) {
  const auto in = input.to(hidden.scalar_type()).chunk(3, -1);
  const auto rec = recurrent.to(hidden.scalar_type()).chunk(3, -1);
  const Tensor reset = at::sigmoid(in[0] + rec[0]);
  const Tensor keep = at::sigmoid(in[1] + rec[1]);
  const Tensor candidate = at::tanh(in[2] + reset * rec[2]);
  return keep * hidden + (1.0 - keep) * candidate;
}

std::pair<Tensor, Tensor> lstm_cell(const Tensor& gates, const Tensor& cell) {
  const auto parts = gates.to(cell.scalar_type()).chunk(4, -1);
  const Tensor next = at::sigmoid(parts[1]) * cell + at::sigmoid(parts[0]) * at::tanh(parts[2]);
  return {at::sigmoid(parts[3]) * at::tanh(next), next};
}

Tensor minimal_cell(const Tensor& gates, const Tensor& hidden, bool bounded) {
  const auto parts = gates.to(hidden.scalar_type()).chunk(2, -1);
  const Tensor keep = at::sigmoid(parts[0]);
  const Tensor candidate = bounded ? at::tanh(parts[1]) : at::silu(parts[1]);
  return keep * hidden + (1.0 - keep) * candidate;
}

Tensor ema_cell(const Tensor& keep, const Tensor& input, const Tensor& hidden) {
  const Tensor rate = at::sigmoid(keep.to(hidden.scalar_type()));
  const Tensor in = input.to(hidden.scalar_type());
  return rate * hidden + (1.0 - rate) * in;
}

}  // namespace rmkv::kernels::reference
