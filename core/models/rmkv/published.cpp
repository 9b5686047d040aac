// The original two-stream block; see published.h.
#include "core/models/rmkv/published.h"

#include <cmath>

#include "core/kernels/attention.h"
#include "core/kernels/embedding.h"
#include "core/kernels/linear.h"
#include "core/kernels/norm.h"
#include "core/memory/pooling.h"
#include "core/models/rmkv/memory_layer.h"
#include "core/models/rmkv/segment_plan.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

struct SegmentResult {
  Tensor hidden;  // compute dtype [B, T, C]
  Tensor memory;  // fp32 [B, M, C]
};

// ids int64 [B, n], memory fp32 [B, M, C]; kept bool [B, n] or undefined.
SegmentResult run_segment(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& ids,
                          Tensor memory, const Tensor& kept, at::ScalarType compute) {
  const int64_t slots = config.slots, count = ids.size(1);
  const auto heads = [&](const Tensor& x) {
    return x.unflatten(-1, {config.heads, config.head_dim()});
  };
  Tensor visible;
  if (kept.defined()) visible = at::cat({kept.new_ones({kept.size(0), slots}), kept}, 1);
  Tensor x = kernels::embedding(ids, weights.embedding, weights.embedding.scalar_type());
  for (const RmkvLayer& layer : weights.layers) {
    const Tensor rows = kernels::layer_norm(at::cat({memory, x}, 1), layer.norm, layer.norm_bias,
                                            kNormEpsilon, compute);
    const auto qkv = kernels::linear(rows, layer.qkv, layer.qkv_bias).chunk(3, -1);
    const Tensor queries = heads(published_rotary(qkv[0])), keys = heads(published_rotary(qkv[1])),
                 values = heads(qkv[2]);
    const Tensor read =
        kernels::cached_attention(queries.narrow(1, 0, slots), keys, values, false, visible);
    const Tensor mixed =
        kernels::cached_attention(queries.narrow(1, slots, count), keys, values, true, visible);
    const auto parts = kernels::linear(at::cat({read, mixed}, 1), layer.out, layer.out_bias)
                           .split_with_sizes({slots, count}, 1);
    const double scale = 1.0 / std::sqrt(static_cast<double>(config.channels));
    const Tensor pooled = query_pool(parts[1], layer.pool_query * scale, kept);
    const MemoryCell cell(config.cell, layer.cell, slots);
    memory = cell.step(pooled, {parts[0].to(memory.scalar_type()), {}}).hidden;
    x = x + parts[1];
  }
  return {
      kernels::layer_norm(x, weights.final_norm, weights.final_norm_bias, kNormEpsilon, compute),
      memory};
}

Tensor whole_segments(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& tokens,
                      State& state, const ForwardOptions& options) {
  const SegmentPlan plan(config, tokens, state, options);
  Tensor memory = state.get("memory");
  std::vector<Tensor> outputs;
  for (int64_t s = 0; s < plan.segments; ++s) {
    if (plan.has_reset(s))
      memory = at::where(plan.reset(s).view({-1, 1, 1}), weights.initial, memory);
    const Tensor ids = plan.tokens.narrow(1, s * plan.length, plan.length);
    const SegmentResult result =
        run_segment(config, weights, ids, memory, plan.kept(s), options.compute_dtype);
    outputs.push_back(result.hidden);
    memory = plan.padded() ? at::where(plan.alive(s).view({-1, 1, 1}), result.memory, memory)
                           : result.memory;
  }
  state.set("memory", memory);
  return plan.in_given_order(at::cat(outputs, 1));
}

// Tokens of a segment that is not full: the window grows by `ids` and is computed whole.
Tensor grow_window(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& ids,
                   State& state, at::ScalarType compute) {
  at::NoGradGuard no_grad;
  const int64_t open = state.counter("open"), count = ids.size(1), end = open + count;
  if (open == 0)
    state.set("open.ids", at::zeros({ids.size(0), config.segment_tokens}, ids.options()));
  state.writable("open.ids").narrow(1, open, count).copy_(ids);
  const Tensor window = state.get("open.ids").narrow(1, 0, end);
  const SegmentResult result =
      run_segment(config, weights, window, state.get("memory"), {}, compute);
  state.set_counter("open", end);
  if (end == config.segment_tokens) {
    state.set("memory", result.memory);
    state.erase("open.ids");
    state.set_counter("open", 0);
  }
  return result.hidden.narrow(1, open, count);
}

}  // namespace

Tensor published_rotary(const Tensor& x) {
  const int64_t rows = x.size(1), half = x.size(2) / 2;
  const auto wide = at::TensorOptions().dtype(at::kDouble).device(x.device());
  const Tensor rates =
      at::exp(at::arange(0, half, 2, wide) * (-std::log(10000.0) / static_cast<double>(half)));
  const Tensor angles = at::arange(rows, wide).unsqueeze(1) * rates.repeat_interleave(2);
  const Tensor cosines = angles.cos().to(x.scalar_type()), sines = angles.sin().to(x.scalar_type());
  std::vector<Tensor> turned;
  for (const Tensor& part : x.chunk(2, -1)) {
    const Tensor shifted = at::cat({part.narrow(2, 1, half - 1).neg(), part.narrow(2, 0, 1)}, 2);
    turned.push_back(part * cosines - shifted * sines);
  }
  return at::cat(turned, -1);
}

Tensor published_forward(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& tokens,
                         State& state, const ForwardOptions& options) {
  const int64_t count = tokens.size(1), length = config.segment_tokens;
  const bool whole_only =
      options.valid.defined() || options.resets.defined() || options.segment_tokens > 0;
  if (whole_only || (state.counter("open") == 0 && count % length == 0)) {
    return whole_segments(config, weights, tokens, state, options);
  }
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < count;) {
    const int64_t open = state.counter("open"), left = count - first;
    const int64_t take =
        open == 0 && left >= length ? left / length * length : std::min(length - open, left);
    const Tensor ids = tokens.narrow(1, first, take);
    parts.push_back(take % length == 0 && open == 0
                        ? whole_segments(config, weights, ids, state, options)
                        : grow_window(config, weights, ids, state, options.compute_dtype));
    first += take;
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

void published_flush(const RmkvConfig& config, const RmkvWeights& weights, State& state,
                     const ForwardOptions& options) {
  at::NoGradGuard no_grad;
  const int64_t open = state.counter("open");
  if (open == 0) return;
  const Tensor window = state.get("open.ids").narrow(1, 0, open);
  state.set(
      "memory",
      run_segment(config, weights, window, state.get("memory"), {}, options.compute_dtype).memory);
  state.erase("open.ids");
  state.set_counter("open", 0);
}

}  // namespace rmkv
