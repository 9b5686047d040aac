// Pieces of a block of tokens through the layers; see corrected.h.
#include "core/models/microrwkv/corrected.h"

#include <algorithm>

#include "core/kernels/embedding.h"
#include "core/kernels/norm.h"
#include "core/kernels/product.h"
#include "core/models/microrwkv/block_plan.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// Of both norms: PyTorch's default for the final one; small beside the 4e-4 of fresh embeddings.
constexpr double kNormEpsilon = 1e-5;

std::string layer_path(int64_t layer, const char* part) {
  return "blocks." + std::to_string(layer) + "." + part;
}

// bool [B, T]: a document starts before this token; undefined when none does.
Tensor document_starts(const Tensor& tokens, const Tensor& resets) {
  if (!resets.defined()) return {};
  const int64_t count = tokens.size(1), segments = resets.size(1);
  // On other devices looking would wait for the device: there every reset counts as possible.
  if (resets.is_cpu() && !resets.any().item<bool>()) return {};
  Tensor starts = at::zeros_like(tokens, at::kBool);
  starts.view({-1, segments, count / segments}).select(2, 0).copy_(resets);
  return starts;
}

Tensor run_piece(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                 const BlockPlan& plan, State& state, at::ScalarType compute, double share) {
  const bool with_balance = state.has("auxiliary");
  const at::ScalarType master = weights.embedding.scalar_type();
  Tensor x =
      kernels::embedding(plan.tokens, weights.embedding, master) +
      kernels::embedding(plan.positions.remainder(config.block_tokens), weights.positions, master);
  const Tensor no_gain = at::ones({config.channels}, x.options());
  const WindowView window = window_view(plan, config.window, compute),
                   grouped = window_view(plan, config.block_tokens, compute);
  const WindowHeads window_heads{config.heads, config.heads},
      grouped_heads{config.heads, config.key_heads};
  Tensor rows = kernels::rms_norm(x, no_gain, kNormEpsilon, compute), balance;
  const auto add = [&](const Tensor& branch) {
    std::tie(x, rows) = kernels::add_rms_norm(x, branch, no_gain, kNormEpsilon, compute);
  };
  const auto attend = [&](const AttentionWeights& of, const WindowHeads& heads,
                          const WindowView& view, const std::string& name) {
    Tensor ring;
    if (view.in_place) {
      if (state.get(name).scalar_type() != compute) state.set(name, state.get(name).to(compute));
      ring = state.writable(name);
    } else {
      ring = state.get(name).to(compute);
    }
    const Tensor out = window_attention(of, heads, view, rows, plan, ring);
    if (!view.in_place) state.set(name, ring);
    return out;
  };
  for (int64_t l = 0; l < config.layers; ++l) {
    const MicroRwkvLayer& layer = weights.layers[static_cast<size_t>(l)];
    const auto path = [l](const char* part) { return layer_path(l, part); };
    TimeMixMemory memory{state.get(path("tmix.shift")), state.get(path("tmix.state"))};
    const Tensor mixed = time_mix(layer.tmix, rows, plan, memory);
    state.set(path("tmix.shift"), memory.shift);
    state.set(path("tmix.state"), memory.state);
    add(mixed);
    Tensor shift = state.get(path("cmix.shift"));
    const Tensor channels = channel_mix(layer.cmix, rows, plan, shift);
    state.set(path("cmix.shift"), shift);
    add(channels);
    add(attend(layer.swa, window_heads, window, path("swa.cache")));
    add(attend(layer.gqa, grouped_heads, grouped, path("gqa.cache")));
    const ExpertResult experts =
        expert_mixture(layer.moe, rows, config.active, with_balance, plan.kept);
    if (with_balance) balance = balance.defined() ? balance + experts.balance : experts.balance;
    add(experts.rows);
  }
  if (with_balance) {
    const double factor = config.auxiliary_weight * share / static_cast<double>(x.size(0));
    state.set("auxiliary", state.get("auxiliary") + balance * factor);
  }
  state.set("tokens", plan.next);
  return plan.in_given_order(kernels::layer_norm(x, weights.norm, {}, kNormEpsilon, compute));
}

}  // namespace

State corrected_state(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                      int64_t batch) {
  State state;
  const auto real = weights.embedding.options().requires_grad(false);
  const int64_t channels = config.channels, size = config.head_size();
  state.set("tokens", at::zeros({batch}, real.dtype(at::kLong)));
  for (int64_t l = 0; l < config.layers; ++l) {
    state.set(layer_path(l, "tmix.shift"), at::zeros({batch, channels}, real));
    state.set(layer_path(l, "tmix.state"), at::zeros({batch, config.heads, size, size}, real));
    state.set(layer_path(l, "cmix.shift"), at::zeros({batch, channels}, real));
    state.set(layer_path(l, "swa.cache"), at::zeros({batch, config.window, 2 * channels}, real));
    state.set(layer_path(l, "gqa.cache"),
              at::zeros({batch, config.block_tokens, 2 * config.key_heads * size}, real));
  }
  return state;
}

Tensor corrected_forward(const MicroRwkvConfig& config, const MicroRwkvWeights& weights,
                         const Tensor& tokens, State& state, const ForwardOptions& options) {
  const int64_t count = tokens.size(1);
  const Tensor starts = document_starts(tokens, options.resets);
  std::vector<Tensor> parts;
  // Rows of a piece stay with the ring in the cache: long blocks go in pieces.
  // In deterministic mode token by token, so that any split of the tokens gives the same bits.
  const int64_t piece = kernels::row_invariant() ? 1 : config.block_tokens;
  for (int64_t first = 0; first < count; first += piece) {
    const int64_t n = std::min(piece, count - first);
    const auto part = [&](const Tensor& x) { return x.defined() ? x.narrow(1, first, n) : x; };
    const BlockPlan plan(part(tokens), part(options.valid), part(starts), state.get("tokens"));
    const double share = static_cast<double>(n) / static_cast<double>(count);
    parts.push_back(run_piece(config, weights, plan, state, options.compute_dtype, share));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

}  // namespace rmkv
