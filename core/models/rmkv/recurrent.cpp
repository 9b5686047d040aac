// The open segment: opening, advancing and committing; see recurrent.h.
#include "core/models/rmkv/recurrent.h"

#include <limits>

#include "core/kernels/attention.h"
#include "core/kernels/embedding.h"
#include "core/kernels/linear.h"
#include "core/kernels/norm.h"
#include "core/kernels/rotary.h"
#include "core/kernels/short_convolution.h"
#include "core/memory/pooling.h"
#include "core/models/rmkv/memory_layer.h"
#include "core/models/rmkv/positions.h"
#include "core/models/rmkv/rmkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr const char* kShifts[] = {"shift", "ffn_shift"};

class OpenSegment {
 public:
  OpenSegment(const RmkvConfig& config, const RmkvWeights& weights, State& state,
              at::ScalarType compute)
      : config_(config),
        weights_(weights),
        state_(state),
        compute_(compute),
        first_(state.counter("open")) {}

  Tensor advance(const Tensor& tokens);
  void commit();

 private:
  const RmkvLayer& layer(int64_t l) const { return weights_.layers[static_cast<size_t>(l)]; }
  Tensor heads(const Tensor& x) const {
    return x.unflatten(-1, {config_.heads, config_.head_dim()});
  }
  Tensor turned(const Tensor& x, int64_t offset) const {
    return config_.positions == Positions::kRope ? kernels::rotate(x, offset) : x;
  }
  // Rows of the cache before the tokens: bridge, then memory.
  int64_t slots(int64_t l) const { return layer(l).slots ? config_.slots : 0; }
  int64_t before(int64_t l) const { return config_.bridge + slots(l); }
  Tensor& own(const std::string& kind, int64_t l) { return state_.writable(layer_name(kind, l)); }

  void open(int64_t batch);
  void open_layer(int64_t l, int64_t batch);
  Tensor attention(int64_t l, const Tensor& hidden);
  // As in the parallel form: rows [B, n, C] mixed with those before.
  Tensor shifted(const std::string& kind, int64_t l, const Tensor& weights, const Tensor& rows);
  // Keys and values [B, N, H, D] of cache rows first .. first + count - 1.
  std::pair<Tensor, Tensor> cached(int64_t l, int64_t first, int64_t count);
  void accumulate(int64_t l, const Tensor& mixed);
  Tensor store(int64_t l, const Tensor& hidden, const Tensor& tokens);
  void commit_slots(int64_t l, Tensor& stream);
  void commit_bridge(int64_t l);
  void close();

  const RmkvConfig& config_;
  const RmkvWeights& weights_;
  State& state_;
  at::ScalarType compute_;
  int64_t first_;  // tokens already in the open segment
};

void OpenSegment::open(int64_t batch) {
  for (int64_t l = 0; l < config_.layers; ++l) open_layer(l, batch);
  if (config_.bridge == 0) return;
  const Tensor bridge = state_.get("bridge.visible");
  state_.set(
      "open.visible",
      at::cat({bridge, bridge.new_ones({batch, config_.slots + config_.segment_tokens})}, 1));
}

void OpenSegment::open_layer(int64_t l, int64_t batch) {
  const int64_t channels = config_.channels, bridge = config_.bridge;
  const auto narrow = weights_.embedding.options().requires_grad(false).dtype(compute_);
  const auto wide = weights_.embedding.options().requires_grad(false);
  Tensor cache = at::zeros({batch, before(l) + config_.segment_tokens, 2 * channels}, narrow);
  if (bridge > 0) {
    const auto pair = state_.get(layer_name("bridge", l)).to(compute_).chunk(2, -1);
    cache.narrow(1, 0, bridge)
        .narrow(2, 0, channels)
        .copy_(turned(heads(pair[0]), -bridge).flatten(2));
    cache.narrow(1, 0, bridge).narrow(2, channels, channels).copy_(pair[1]);
    state_.set(layer_name("open.keys", l), at::zeros({batch, bridge, channels}, narrow));
  }
  if (layer(l).slots) {
    const MemoryLayer memory(config_, layer(l), compute_);
    const Tensor rows = memory.projected(state_.get(layer_name("memory", l)));
    cache.narrow(1, bridge, config_.slots).copy_(rows.narrow(2, channels, 2 * channels));
    if (memory.queries().defined()) {
      const double lowest = -std::numeric_limits<double>::infinity();
      state_.set(layer_name("open.largest", l), at::full({batch, config_.slots}, lowest, wide));
      state_.set(layer_name("open.denominator", l), at::zeros({batch, config_.slots}, wide));
      state_.set(layer_name("open.numerator", l),
                 at::zeros({batch, config_.slots, channels}, wide));
    } else {
      state_.set(layer_name("open.sum", l), at::zeros({batch, channels}, wide));
    }
  }
  state_.set(layer_name("open.cache", l), cache);
  for (const char* kind : kShifts) {
    const std::string name = layer_name(kind, l);
    if (state_.has(name)) state_.set("open." + name, state_.get(name).to(compute_));
  }
  if (layer(l).store) {
    state_.set(layer_name("open.store", l),
               state_.get(layer_name("store", l)) * store_decay(layer(l)));
    if (layer(l).store_mix.defined())
      state_.set(layer_name("open.recent", l), state_.get(layer_name("recent", l)));
  }
}

std::pair<Tensor, Tensor> OpenSegment::cached(int64_t l, int64_t first, int64_t count) {
  const auto pair = state_.get(layer_name("open.cache", l)).narrow(1, first, count).chunk(2, -1);
  return {heads(pair[0]), heads(pair[1])};
}

Tensor OpenSegment::shifted(const std::string& kind, int64_t l, const Tensor& weights,
                            const Tensor& rows) {
  if (!weights.defined()) return rows;
  const std::string name = layer_name("open." + kind, l);
  auto [mixed, last] = kernels::short_convolution(rows, state_.get(name), weights);
  state_.set(name, last.contiguous());
  return mixed;
}

Tensor OpenSegment::attention(int64_t l, const Tensor& hidden) {
  const int64_t count = hidden.size(1), channels = config_.channels,
                end = before(l) + first_ + count;
  const Tensor rows_in = shifted("shift", l, layer(l).shift, hidden);
  const auto qkv =
      normed_heads(config_, layer(l), kernels::linear(rows_in, layer(l).qkv, layer(l).qkv_bias))
          .chunk(3, -1);
  {
    Tensor rows = own("open.cache", l).narrow(1, before(l) + first_, count);
    rows.narrow(2, 0, channels).copy_(turned(heads(qkv[1]), first_).flatten(2));
    rows.narrow(2, channels, channels).copy_(qkv[2]);
  }
  if (config_.bridge > 0) {
    Tensor& newest = own("open.keys", l);
    for (int64_t t = std::max<int64_t>(0, count - config_.bridge); t < count; ++t) {
      newest.select(1, (first_ + t) % config_.bridge).copy_(qkv[1].select(1, t));
    }
  }
  const Tensor queries = turned(heads(qkv[0]), first_);
  const auto [keys, values] = cached(l, 0, end);
  Tensor visible;
  if (config_.bridge > 0) visible = state_.get("open.visible").narrow(1, 0, end);
  Tensor mixed = kernels::cached_attention(queries, keys, values, /*causal=*/true, visible);
  if (layer(l).read_gate.defined()) {
    Tensor blind = at::ones({hidden.size(0), end}, hidden.options().dtype(at::kBool));
    if (visible.defined()) blind.copy_(visible);
    blind.narrow(1, config_.bridge, slots(l)).fill_(false);
    const Tensor without = kernels::cached_attention(queries, keys, values, /*causal=*/true, blind);
    const Tensor gate = layer(l).read_gate.to(compute_).repeat_interleave(config_.head_dim());
    mixed = without + gate * (mixed - without);
  }
  if (layer(l).slots) accumulate(l, mixed);
  return kernels::linear(mixed, layer(l).out);
}

void OpenSegment::accumulate(int64_t l, const Tensor& mixed) {
  if (!layer(l).pool_query.defined()) {
    accumulate_mean(mixed, own("open.sum", l));
    return;
  }
  const Tensor queries = carried_queries(layer(l).pool_query, layer(l).out);
  accumulate_query(mixed, queries, own("open.largest", l), own("open.denominator", l),
                   own("open.numerator", l));
}

Tensor OpenSegment::store(int64_t l, const Tensor& hidden, const Tensor& tokens) {
  StoreMaps maps = store_maps(layer(l), hidden, tokens, weights_.codes);
  if (layer(l).store_mix.defined()) {
    const Tensor recent = state_.get(layer_name("open.recent", l));
    const Tensor all = at::cat({recent, maps.rows}, 1);
    maps.rows = mix_rows(recent, maps.rows, store_mixing(layer(l)));
    state_.set(layer_name("open.recent", l),
               all.narrow(1, hidden.size(1), recent.size(1)).contiguous());
  }
  const StoreRows rows = store_rows(config_, maps.rows, maps.gates);
  const Tensor open = state_.get(layer_name("open.store", l));
  StoreBlock block;
  if (config_.store_read == StoreRead::kToken) {
    block = delta_block(open, rows.queries, rows.writes);
  } else {
    block = {store_read(state_.get(layer_name("store", l)), rows.queries),
             delta_writes(open, rows.writes)};
  }
  state_.set(layer_name("open.store", l), block.store);
  return kernels::linear(block.reads.to(compute_), layer(l).store_out);
}

Tensor OpenSegment::advance(const Tensor& tokens) {
  if (first_ == 0) open(tokens.size(0));
  Tensor x = kernels::embedding(tokens, weights_.embedding, weights_.embedding.scalar_type());
  Tensor& since = state_.writable("tokens");
  x = add_positions(config_, weights_, x, first_, since);
  since.add_(tokens.size(1));
  if (config_.embedding_norm)
    x = kernels::rms_norm(x, weights_.embedding_norm, kNormEpsilon, x.scalar_type());
  Tensor branch, hidden;
  const auto step = [&](const Tensor& norm) {
    if (branch.defined()) {
      std::tie(x, hidden) = kernels::add_rms_norm(x, branch, norm, kNormEpsilon, compute_);
    } else {
      hidden = kernels::rms_norm(x, norm, kNormEpsilon, compute_);
    }
  };
  for (int64_t l = 0; l < config_.layers; ++l) {
    step(layer(l).norm);
    branch = attention(l, hidden);
    if (layer(l).store) branch = branch + store(l, hidden, tokens);
    if (!layer(l).ffn_in.defined()) continue;
    step(layer(l).ffn_norm);
    branch = feed_forward(config_, layer(l), shifted("ffn_shift", l, layer(l).ffn_shift, hidden));
  }
  step(weights_.final_norm);
  first_ += tokens.size(1);
  state_.set_counter("open", first_);
  if (first_ == config_.segment_tokens) commit();
  return hidden;
}

void OpenSegment::commit_slots(int64_t l, Tensor& stream) {
  const MemoryLayer memory(config_, layer(l), compute_);
  CellState old{state_.get(layer_name("memory", l)), {}};
  if (layer(l).initial_carry.defined()) old.carry = state_.get(layer_name("carry", l));
  const auto rows =
      memory.projected(stream.defined() ? old.hidden + stream : old.hidden).chunk(3, -1);
  auto [keys, values] = cached(l, config_.bridge, config_.slots + first_);
  if (stream.defined()) {
    keys = at::cat({heads(rows[1]), keys.narrow(1, config_.slots, first_)}, 1);
    values = at::cat({heads(rows[2]), values.narrow(1, config_.slots, first_)}, 1);
  }
  const Tensor read = kernels::cached_attention(heads(rows[0]), keys, values, /*causal=*/false);
  Tensor pooled;
  if (layer(l).pool_query.defined()) {
    pooled = state_.get(layer_name("open.numerator", l)) /
             state_.get(layer_name("open.denominator", l)).unsqueeze(2);
  } else {
    pooled = state_.get(layer_name("open.sum", l)).unsqueeze(1) / static_cast<double>(first_);
  }
  const CellState next = memory.commit(read, pooled.to(compute_), old, stream);
  state_.set(layer_name("memory", l), next.hidden);
  if (next.carry.defined()) state_.set(layer_name("carry", l), next.carry);
}

void OpenSegment::commit_bridge(int64_t l) {
  const int64_t bridge = config_.bridge, held = std::min(bridge, first_),
                channels = config_.channels;
  const Tensor newest = state_.get(layer_name("open.keys", l));
  Tensor next = at::zeros({newest.size(0), bridge, 2 * channels}, newest.options());
  for (int64_t i = 0; i < held; ++i) {
    next.select(1, bridge - held + i)
        .narrow(1, 0, channels)
        .copy_(newest.select(1, (first_ - held + i) % bridge));
  }
  const Tensor cache = state_.get(layer_name("open.cache", l));
  next.narrow(1, bridge - held, held)
      .narrow(2, channels, channels)
      .copy_(cache.narrow(1, before(l) + first_ - held, held).narrow(2, channels, channels));
  state_.set(layer_name("bridge", l), next);
}

void OpenSegment::close() {
  std::vector<std::string> names;
  for (const auto& entry : state_.tensors()) {
    if (entry.first.rfind("open.", 0) == 0) names.push_back(entry.first);
  }
  for (const std::string& name : names) state_.erase(name);
  state_.set_counter("open", 0);
  first_ = 0;
}

void OpenSegment::commit() {
  const int64_t batch = state_.get("tokens").size(0);
  Tensor stream;
  if (weights_.stream_start.defined())
    stream = weights_.stream_start.unsqueeze(0).expand({batch, -1, -1});
  for (int64_t l = 0; l < config_.layers; ++l) {
    if (layer(l).slots) commit_slots(l, stream);
    if (config_.bridge > 0) commit_bridge(l);
    for (const char* kind : kShifts) {
      const std::string name = layer_name(kind, l);
      if (state_.has(name)) state_.set(name, state_.get("open." + name));
    }
    if (layer(l).store) state_.set(layer_name("store", l), state_.get(layer_name("open.store", l)));
    if (layer(l).store_mix.defined())
      state_.set(layer_name("recent", l), state_.get(layer_name("open.recent", l)));
  }
  if (config_.bridge > 0) {
    Tensor visible = at::zeros_like(state_.get("bridge.visible"));
    const int64_t held = std::min(config_.bridge, first_);
    visible.narrow(1, config_.bridge - held, held).fill_(true);
    state_.set("bridge.visible", visible);
  }
  close();
}

}  // namespace

Tensor recurrent_forward(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& tokens,
                         State& state, at::ScalarType compute) {
  at::NoGradGuard no_grad;
  return OpenSegment(config, weights, state, compute).advance(tokens);
}

void recurrent_flush(const RmkvConfig& config, const RmkvWeights& weights, State& state,
                     at::ScalarType compute) {
  at::NoGradGuard no_grad;
  if (state.counter("open") > 0) OpenSegment(config, weights, state, compute).commit();
}

}  // namespace rmkv
