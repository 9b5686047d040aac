// Padding, resets and bridge visibility as indices and flags; see segment_plan.h.
#include "core/models/rmkv/segment_plan.h"

#include "core/kernels/wkv.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "rmkv.forward";

void check_flags(const Tensor& flags, const std::string& name, std::vector<int64_t> shape,
                 const std::string& letters) {
  check_shape(flags, std::string(kWhere) + " " + name, std::move(shape), letters);
  if (flags.scalar_type() != at::kBool)
    fail(std::string(kWhere) + " " + name, tensor_text(flags), "bool");
}

// Whether any flag is set, without waiting for a GPU: there the answer is "maybe".
bool maybe_any(const Tensor& flags) {
  return !flags.is_cpu() || flags.any().item<bool>();
}
bool surely_all(const Tensor& flags) {
  return flags.is_cpu() && flags.all().item<bool>();
}

}  // namespace

SegmentPlan::SegmentPlan(const RmkvConfig& config, const Tensor& given, const State& state,
                         const ForwardOptions& options)
    : tokens(given), batch_(given.size(0)) {
  at::NoGradGuard no_grad;
  length = options.segment_tokens > 0 ? options.segment_tokens : config.segment_tokens;
  if (given.size(1) == 0 || given.size(1) % length != 0) {
    fail(kWhere, std::to_string(given.size(1)) + " tokens",
         "whole segments of " + std::to_string(length) + " tokens");
  }
  if (config.positions == Positions::kLearned && length > config.segment_tokens) {
    fail(kWhere, std::to_string(length) + " tokens a segment",
         "at most " + std::to_string(config.segment_tokens) + ": positions are learned");
  }
  segments = given.size(1) / length;
  if (options.resets.defined()) {
    check_flags(options.resets, "resets", {batch_, segments}, "BS");
    resets_ = options.resets;
  }
  for (int64_t s = 0; s < segments; ++s)
    maybe_reset_.push_back(resets_.defined() && maybe_any(reset(s)));
  if (options.valid.defined()) {
    check_flags(options.valid, "valid", {batch_, given.size(1)}, "BT");
    if (!surely_all(options.valid)) remove_padding(options.valid);
  }
  if (config.bridge > 0) plan_bridge(config, state);
}

void SegmentPlan::remove_padding(const Tensor& valid) {
  const Tensor by_segment = valid.view({batch_, segments, length});
  order_ = at::argsort(by_segment.logical_not().to(at::kByte), /*stable=*/true, /*dim=*/-1,
                       /*descending=*/false);
  counts_ = by_segment.sum(-1);
  kept_ = at::arange(length, counts_.options()) < counts_.unsqueeze(-1);
  tokens =
      tokens.view({batch_, segments, length}).gather(2, order_).view({batch_, segments * length});
}

void SegmentPlan::plan_bridge(const RmkvConfig& config, const State& state) {
  Tensor flags = state.get("bridge.visible");
  bridge_visible_.push_back(flags);
  bridge_full_.push_back(surely_all(flags));
  const Tensor rows = at::arange(config.bridge, flags.options().dtype(at::kLong));
  for (int64_t s = 0; s < segments; ++s) {
    if (padded()) {
      if (has_reset(s)) flags = flags.logical_and(reset(s).logical_not().unsqueeze(1));
      const Tensor held = rows.unsqueeze(0) >= config.bridge - counts_.select(1, s).unsqueeze(1);
      flags = at::where(alive(s).unsqueeze(1), held, flags);
    } else {
      flags = (rows >= config.bridge - length).unsqueeze(0).expand({batch_, -1}).contiguous();
    }
    bridge_visible_.push_back(flags);
    bridge_full_.push_back(!padded() && length >= config.bridge);
  }
}

Tensor SegmentPlan::kept(int64_t s) const {
  return padded() ? kept_.select(1, s) : Tensor();
}
Tensor SegmentPlan::alive(int64_t s) const {
  return counts_.select(1, s) > 0;
}
bool SegmentPlan::has_reset(int64_t s) const {
  return maybe_reset_[static_cast<size_t>(s)];
}
Tensor SegmentPlan::reset(int64_t s) const {
  return resets_.select(1, s);
}

Tensor SegmentPlan::count(int64_t s) const {
  return padded() ? counts_.select(1, s) : at::scalar_tensor(length, tokens.options());
}

Tensor SegmentPlan::visible(int64_t s) const {
  if (bridge_visible_.empty()) return kept(s);
  if (bridge_full_[static_cast<size_t>(s)] && !has_reset(s) && !padded()) return {};
  Tensor bridge = bridge_visible(s);
  if (has_reset(s)) bridge = bridge.logical_and(reset(s).logical_not().unsqueeze(1));
  return at::cat({bridge, padded() ? kept(s) : at::ones({batch_, length}, bridge.options())}, 1);
}

Tensor SegmentPlan::newest_rows(const Tensor& rows, int64_t s, int64_t count) const {
  if (padded()) {
    const Tensor steps = at::arange(count, counts_.options());
    const Tensor place =
        counts_.select(1, s).unsqueeze(1) - count + steps;  // negative: no such token
    const Tensor index = place.clamp_min(0).unsqueeze(2).expand({-1, -1, rows.size(2)});
    return rows.gather(1, index) * (place >= 0).unsqueeze(2).to(rows.scalar_type());
  }
  if (length >= count) return rows.narrow(1, length - count, count);
  return at::constant_pad_nd(rows, {0, 0, count - length, 0});
}

Tensor SegmentPlan::rows_from_count(const Tensor& rows, int64_t s, int64_t count) const {
  const Tensor place = counts_.select(1, s).unsqueeze(1) + at::arange(count, counts_.options());
  return rows.gather(1, place.unsqueeze(2).expand({-1, -1, rows.size(2)}));
}

Tensor SegmentPlan::marks() const {
  bool any = padded();
  for (const bool maybe : maybe_reset_) any = any || maybe;
  if (!any) return {};
  at::NoGradGuard no_grad;
  Tensor marks = at::zeros({batch_, segments, length}, tokens.options().dtype(at::kByte));
  if (resets_.defined()) marks.select(2, 0).masked_fill_(resets_, kernels::kMarkReset);
  if (padded()) marks.add_(kept_.logical_not().to(at::kByte), kernels::kMarkSkip);
  return marks.view({batch_, segments * length});
}

Tensor SegmentPlan::restarted(const Tensor& start, int64_t s) const {
  return has_reset(s) ? start.masked_fill(reset(s), 0) : start;
}

Tensor SegmentPlan::advanced(Tensor start) const {
  for (int64_t s = 0; s < segments; ++s) start = restarted(start, s) + count(s);
  return start;
}

Tensor SegmentPlan::in_given_order(const Tensor& rows) const {
  if (!padded()) return rows;
  const Tensor back = at::argsort(order_, /*stable=*/false, /*dim=*/-1, /*descending=*/false);
  const Tensor by_segment = rows.view({batch_, segments, length, -1});
  const Tensor index = back.unsqueeze(3).expand({-1, -1, -1, rows.size(2)});
  return by_segment.gather(2, index).view({batch_, segments * length, -1});
}

}  // namespace rmkv
