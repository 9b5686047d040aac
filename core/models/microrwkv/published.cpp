// The published modules, reproduced from their description; see published.h.
#include "core/models/microrwkv/published.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/embedding.h"
#include "core/kernels/linear.h"
#include "core/kernels/norm.h"
#include "core/models/microrwkv/block_plan.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr double kNormEpsilon = 1e-5;

// x / (|x| / sqrt(C) + 1e-8), in the dtype of x.
Tensor without_gain(const Tensor& x) {
  const double root = std::sqrt(static_cast<double>(x.size(-1)));
  return x / (at::linalg_vector_norm(x, 2, {-1}, true) / root + 1e-8);
}

Tensor softmax_of(const Tensor& scores) {
  const bool wide = scores.scalar_type() == at::kDouble;
  return at::softmax(scores, -1, wide ? at::kDouble : at::kFloat).to(scores.scalar_type());
}

// The head's T rows, filled up with zeros to a multiple of `window`, are taken for `window` rows of
// several tokens each, and every such row sees every other.
Tensor sliding_window(const AttentionWeights& w, const Tensor& x, int64_t heads, int64_t window) {
  const int64_t batch = x.size(0), count = x.size(1), channels = x.size(2), size = channels / heads;
  const int64_t filling = (window - count % window) % window;
  const auto rows = [&](const Tensor& part) {
    const Tensor head = part.view({batch, count, heads, size}).transpose(1, 2);
    return at::constant_pad_nd(head, {0, 0, 0, filling}).reshape({batch, heads, window, -1});
  };
  const auto parts = kernels::linear(x, w.in).chunk(3, 2);
  const Tensor q = rows(parts[0].contiguous()), k = rows(parts[1].contiguous()),
               v = rows(parts[2].contiguous());
  const double scale = 1.0 / std::sqrt(static_cast<double>(size));
  const Tensor mixed = at::matmul(softmax_of(at::matmul(q, k.transpose(2, 3)) * scale), v);
  const Tensor back = mixed.reshape({batch, heads, count + filling, size}).narrow(2, 0, count);
  return kernels::linear(back.transpose(1, 2).reshape({batch, count, channels}), w.out);
}

// Quarter j of all four slices q | k | v | w becomes the new q, k, v or w, the slices side by side
// along the batch; heads are cut out of positions, not of channels; the softmax runs over the
// heads.
Tensor grouped_query(const AttentionWeights& w, const Tensor& x, int64_t heads) {
  const int64_t batch = x.size(0), count = x.size(1), channels = x.size(2),
                size = channels / 4 / heads;
  const auto slices = kernels::linear(x, w.in).chunk(4, 2);
  const auto quarter = [&](int64_t j) {
    std::vector<Tensor> parts;
    for (const Tensor& slice : slices)
      parts.push_back(slice.narrow(2, j * channels / 4, channels / 4));
    // [4 B, T, H, size]
    return at::cat(parts, 0).reshape({4 * batch, heads, count, size}).transpose(1, 2);
  };
  const Tensor q = quarter(0), k = quarter(1), v = quarter(2), gate = quarter(3);
  const double scale = 1.0 / std::sqrt(static_cast<double>(size));
  const Tensor mixed = at::matmul(softmax_of(at::matmul(q, k.transpose(2, 3)) * scale), v) * gate;
  return kernels::linear(mixed.transpose(1, 2).reshape({batch, count, channels}), w.out);
}

struct DenseExperts {
  Tensor rows;       // [B, T, C]
  Tensor auxiliary;  // fp32 (fp64) []
};

// All experts run; `active` cuts their list without making the gates of the rest sum to 1.
DenseExperts dense_experts(const ExpertWeights& w, const Tensor& x, int64_t active, double weight) {
  const Tensor gates = softmax_of(kernels::linear(x, w.gate, w.gate_bias));
  const at::ScalarType wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  Tensor hidden, squares;
  for (int64_t e = 0; e < active; ++e) {
    const size_t i = static_cast<size_t>(e);
    const Tensor out = kernels::linear(x, w.experts[i], w.expert_biases[i]);  // [B, T, W]
    const Tensor square = out.to(wide).mean(1).square().mean();
    const Tensor part = out * gates.narrow(2, e, 1);
    hidden = hidden.defined() ? hidden + part : part;
    squares = squares.defined() ? squares + square : square;
  }
  return {kernels::linear(hidden, w.out, w.out_bias),
          squares * (weight / static_cast<double>(active))};
}

Tensor separate_windows(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                        const Tensor& tokens, const ForwardOptions& options) {
  int64_t length = std::min(config.block_tokens, tokens.size(1));
  if (options.segment_tokens > 0) length = options.segment_tokens;
  if (options.resets.defined()) length = tokens.size(1) / options.resets.size(1);
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < tokens.size(1); first += length) {
    const int64_t count = std::min(length, tokens.size(1) - first);
    parts.push_back(
        published_window(config, weights, tokens.narrow(1, first, count), options.compute_dtype)
            .hidden);
  }
  return at::cat(parts, 1);
}

}  // namespace

PublishedResult published_window(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                                 const Tensor& tokens, at::ScalarType compute) {
  const int64_t batch = tokens.size(0), count = tokens.size(1);
  const auto real = weights.embedding.options().requires_grad(false);
  const at::ScalarType master = weights.embedding.scalar_type();
  const BlockPlan plan(tokens, {}, {}, at::zeros({batch}, tokens.options()));
  const Tensor no_shift = at::zeros({batch, config.channels}, real),
               no_state =
                   at::zeros({batch, config.heads, config.head_size(), config.head_size()}, real);
  const auto mixed = [&](const TimeMixWeights& of, const Tensor& rows) {
    TimeMixMemory memory{no_shift, no_state};
    return time_mix(of, rows.to(compute), plan, memory).to(master);
  };
  Tensor x =
      kernels::embedding(tokens, weights.embedding, master) + weights.positions.narrow(0, 0, count);
  PublishedResult result;
  for (const MicroRwkvLayer& layer : weights.layers) {
    x = x + mixed(layer.tmix, without_gain(x));
    Tensor shift = no_shift;
    x = x + channel_mix(layer.cmix, without_gain(x).to(compute), plan, shift).to(master);
    x = x + sliding_window(layer.swa, x.to(compute), config.heads, config.window).to(master);
    const Tensor again = mixed(layer.tmix, x);
    x = x + grouped_query(layer.gqa, again.to(compute), config.heads).to(master);
    const DenseExperts experts =
        dense_experts(layer.moe, x.to(compute), config.active, config.auxiliary_weight);
    x = x + experts.rows.to(master);
    result.auxiliary.push_back(experts.auxiliary);
  }
  result.hidden = kernels::layer_norm(x, weights.norm, {}, kNormEpsilon, compute);
  return result;
}

State published_state(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                      int64_t batch) {
  State state;
  state.set("ids", at::zeros({batch, config.block_tokens},
                             weights.embedding.options().dtype(at::kLong).requires_grad(false)));
  state.set_counter("open", 0);
  return state;
}

Tensor published_microrwkv(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                           const Tensor& tokens, State& state, const ForwardOptions& options) {
  if (options.resets.defined() || options.segment_tokens > 0 || at::GradMode::is_enabled()) {
    return separate_windows(config, weights, tokens, options);
  }
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < tokens.size(1); first += config.block_tokens) {
    const int64_t count = std::min(config.block_tokens, tokens.size(1) - first);
    const int64_t open = std::min(state.counter("open"), config.block_tokens - count);
    const Tensor before = state.get("ids").narrow(1, state.counter("open") - open, open);
    const Tensor window = at::cat({before, tokens.narrow(1, first, count)}, 1);
    parts.push_back(published_window(config, weights, window, options.compute_dtype)
                        .hidden.narrow(1, open, count));
    state.set("ids", at::constant_pad_nd(window, {0, config.block_tokens - open - count}, 0));
    state.set_counter("open", open + count);
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

}  // namespace rmkv
