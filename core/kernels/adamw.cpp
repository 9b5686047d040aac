// Choice of the form; see adamw.h.
#include "core/kernels/adamw.h"

#include "core/kernels/cpu/adamw.h"
#include "core/kernels/cuda/adamw.h"
#include "core/kernels/fused.h"

namespace rmkv::kernels {
namespace {

cpu::AdamwItem item_of(const AdamwTarget& target, uint32_t updates) {
  const Moments& moments = target.moments;
  cpu::AdamwItem item{};
  item.value = target.value.mutable_data_ptr<float>();
  item.gradient = target.gradient.const_data_ptr<float>();
  if (target.copy.defined()) item.copy = target.copy.mutable_data_ptr<BFloat16>();
  switch (moments.state) {
    case MomentState::kFull:
      item.first = moments.first.mutable_data_ptr<float>();
      item.second = moments.second.mutable_data_ptr<float>();
      break;
    case MomentState::kBf16:
      item.first_half = moments.first.mutable_data_ptr<BFloat16>();
      item.second_half = moments.second.mutable_data_ptr<BFloat16>();
      break;
    case MomentState::k8Bit:
      item.first_code = moments.first.mutable_data_ptr<uint8_t>();
      item.second_code = moments.second.mutable_data_ptr<uint8_t>();
      item.first_scale = moments.first_scale.mutable_data_ptr<float>();
      item.second_scale = moments.second_scale.mutable_data_ptr<float>();
      break;
  }
  item.count = target.value.numel();
  item.stream = ::rmkv::adamw::noise_stream(target.index, updates);
  return item;
}

}  // namespace

void adamw(const std::vector<AdamwTarget>& targets, const ::rmkv::adamw::Rates& rates,
           const AdamwControl& control) {
  if (targets.empty()) return;
  const Tensor& any = targets[0].value;
  if (any.is_cpu() && any.scalar_type() == at::kFloat) {
    if (control.skip.defined() && control.skip.item<float>() != 0) return;
    const double divisor = control.divisor.defined() ? control.divisor.item<float>() : 1.0;
    const auto updates = static_cast<uint32_t>(control.updates.item<float>());
    std::vector<cpu::AdamwItem> items;
    for (const AdamwTarget& target : targets) items.push_back(item_of(target, updates));
    cpu::adamw(items, ::rmkv::adamw::factors_of(rates, updates + 1.0, divisor));
    return;
  }
  const bool fused = cuda::has_fused_adamw(any);
  for (const AdamwTarget& target : targets) {
    if (fused) {
      cuda::adamw(target, rates, control);
    } else {
      reference::adamw(target, rates, control);
    }
  }
}

}  // namespace rmkv::kernels
