// AdamW as LibTorch operations, and the narrow moments as tables; see adamw.h.
#include "core/kernels/adamw.h"
#include "core/tensor/torch.h"

namespace rmkv::kernels {
namespace {

constexpr int64_t kBlock = ::rmkv::adamw::kBlock;

int64_t block_count(int64_t elements) {
  return (elements + kBlock - 1) / kBlock;
}

// Magnitudes of all codes without sign, rising, fp32 [2^(top + 1)].
Tensor magnitudes(int top, at::Device device) {
  std::vector<float> values;
  for (uint32_t code = 0; code < 2u << top; ++code) {
    values.push_back(::rmkv::adamw::magnitude_of(code, top));
  }
  return at::tensor(values, at::kFloat).to(device);
}

// x [N] -> [blocks, 256], the last one filled with zeros.
Tensor blocks_of(const Tensor& x) {
  const Tensor flat = x.reshape({-1}).to(at::kFloat);
  const int64_t padding = block_count(flat.numel()) * kBlock - flat.numel();
  return at::constant_pad_nd(flat, {0, padding}).view({-1, kBlock});
}

void put_codes(const Tensor& x, int top, bool is_signed, const Tensor& codes, const Tensor& scale) {
  const Tensor blocks = blocks_of(x);
  Tensor largest = at::amax(blocks.abs(), 1, true);
  largest = at::where(largest > ::rmkv::adamw::kSmallestScale, largest, at::zeros_like(largest));
  const Tensor relative = at::where(largest > 0, blocks.abs() / largest, at::zeros_like(blocks));
  const Tensor table = magnitudes(top, x.device());
  const Tensor middles =
      (table.narrow(0, 1, table.numel() - 1) + table.narrow(0, 0, table.numel() - 1)) * 0.5;
  Tensor code = at::bucketize(relative, middles);
  if (is_signed) {
    code = at::where(blocks < 0, code + static_cast<int64_t>(::rmkv::adamw::kSign), code);
  } else {
    code = at::where((relative > 0).logical_and(code == 0), at::ones_like(code), code);
  }
  const Tensor flat = code.reshape({-1}).narrow(0, 0, codes.numel());
  codes.copy_(flat.to(at::kByte).view(codes.sizes()));
  scale.copy_(largest.squeeze(1));
}

Tensor values_of(const Tensor& codes, const Tensor& scale, int top, bool is_signed) {
  Tensor table = magnitudes(top, codes.device());
  if (is_signed) table = at::cat({table, table.neg()});
  const Tensor values = table.index_select(0, codes.reshape({-1}).to(at::kLong));
  const Tensor scales = scale.repeat_interleave(kBlock).narrow(0, 0, codes.numel());
  return (values * scales).view(codes.sizes());
}

}  // namespace

Moments zero_moments(const Tensor& value, MomentState state) {
  Moments moments;
  moments.state = state;
  at::TensorOptions options = value.options().requires_grad(false);
  const at::TensorOptions scale_options = options.dtype(at::kFloat);
  if (state == MomentState::kBf16) options = options.dtype(at::kBFloat16);
  if (state == MomentState::k8Bit) options = options.dtype(at::kByte);
  moments.first = at::zeros(value.sizes(), options);
  moments.second = at::zeros(value.sizes(), options);
  if (state == MomentState::k8Bit) {
    moments.first_scale = at::zeros({block_count(value.numel())}, scale_options);
    moments.second_scale = at::zeros_like(moments.first_scale);
  }
  return moments;
}

int64_t moment_bytes(int64_t elements, int64_t element_bytes, MomentState state) {
  switch (state) {
    case MomentState::kFull:
      return 2 * elements * element_bytes;
    case MomentState::kBf16:
      return 4 * elements;
    default:
      return 2 * elements + 8 * block_count(elements);
  }
}

std::pair<Tensor, Tensor> wide_moments(const Moments& moments, at::ScalarType dtype) {
  const at::ScalarType wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
  if (moments.state != MomentState::k8Bit) return {moments.first.to(wide), moments.second.to(wide)};
  const Tensor first =
      values_of(moments.first, moments.first_scale, ::rmkv::adamw::kFirstTop, /*is_signed=*/true);
  const Tensor second = values_of(moments.second, moments.second_scale, ::rmkv::adamw::kSecondTop,
                                  /*is_signed=*/false);
  return {first.to(wide), second.to(wide)};
}

void put_moments(const Tensor& first, const Tensor& second, Moments& to) {
  at::NoGradGuard no_grad;
  if (to.state != MomentState::k8Bit) {
    to.first.copy_(first);
    to.second.copy_(second);
    return;
  }
  const at::Device device = to.first.device();
  put_codes(first.to(device), ::rmkv::adamw::kFirstTop, true, to.first, to.first_scale);
  put_codes(second.to(device), ::rmkv::adamw::kSecondTop, false, to.second, to.second_scale);
}

namespace reference {

void adamw(const AdamwTarget& target, const ::rmkv::adamw::Rates& rates,
           const AdamwControl& control) {
  at::NoGradGuard no_grad;
  const auto wide = target.value.scalar_type();
  const auto [first, second] = wide_moments(target.moments, wide);
  Tensor gradient = target.gradient;
  if (control.divisor.defined()) gradient = gradient / control.divisor.to(wide);
  Tensor next_first = first * rates.beta1 + gradient * (1 - rates.beta1);
  Tensor next_second = second * rates.beta2 + gradient.square() * (1 - rates.beta2);
  const Tensor count = control.updates.to(at::kDouble) + 1;
  const auto correction = [&](double beta) {
    return (1 - at::pow(at::full({}, beta, count.options()), count)).to(wide);
  };
  const Tensor step = next_first / correction(rates.beta1) /
                      ((next_second / correction(rates.beta2)).sqrt() + rates.eps);
  Tensor next = target.value * (1 - rates.lr * rates.weight_decay) - step * rates.lr;
  if (control.skip.defined()) {
    const Tensor skip = control.skip != 0;
    next = at::where(skip, target.value, next);
    next_first = at::where(skip, first, next_first);
    next_second = at::where(skip, second, next_second);
  }
  target.value.detach().copy_(next);
  if (target.copy.defined()) target.copy.copy_(next);
  Moments moments = target.moments;
  put_moments(next_first, next_second, moments);
}

}  // namespace reference
}  // namespace rmkv::kernels
