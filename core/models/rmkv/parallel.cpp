// The layer-major schedule; see parallel.h.
#include "core/models/rmkv/parallel.h"

#include "core/kernels/attention.h"
#include "core/kernels/embedding.h"
#include "core/kernels/linear.h"
#include "core/kernels/norm.h"
#include "core/kernels/rotary.h"
#include "core/kernels/short_convolution.h"
#include "core/memory/associative_store.h"
#include "core/models/rmkv/memory_layer.h"
#include "core/models/rmkv/positions.h"
#include "core/models/rmkv/rmkv_state.h"
#include "core/models/rmkv/segment_plan.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// condition bool [B]; where it holds `chosen` ([..] broadcast or [B, ..]), else `other` [B, ..].
Tensor choose(const Tensor& condition, const Tensor& chosen, const Tensor& other) {
  std::vector<int64_t> shape(static_cast<size_t>(other.dim()), 1);
  shape[0] = condition.size(0);
  return at::where(condition.view(shape), chosen, other);
}

class ParallelPass {
 public:
  ParallelPass(const RmkvConfig& config, const RmkvWeights& weights, const SegmentPlan& plan,
               State& state, at::ScalarType compute)
      : config_(config), weights_(weights), plan_(plan), state_(state), compute_(compute) {
    if (config.attention_shift > 0 || config.ffn_shift > 0) marks_ = plan.marks();
  }

  Tensor run();
  // See ForwardOptions; the tokens are in computing order.
  std::map<std::string, Tensor>* readings = nullptr;

 private:
  Tensor embedded();
  // Normalised rows [B, S T, C] mixed with those before; kind names what the state keeps of them.
  Tensor shifted(const char* kind, int64_t l, const Tensor& weights, const Tensor& rows);
  // hidden: normalised rows [B, S T, C] -> attention output after its projection, compute dtype,
  // same shape.
  Tensor attention(int64_t l, const Tensor& hidden);
  Tensor read_store(int64_t l, const Tensor& hidden);
  // What tokens of one segment get from memory rows alone: rows with values of 1 or as they are,
  // compute dtype [B, T, C].
  Tensor memory_part(const kernels::SegmentRows& rows, const kernels::AttentionOptions& options,
                     bool values_of_one) const;
  // Norms of rows [B, S T, C] against those of the residual stream, [B, S T].
  Tensor against_residual(const Tensor& rows) const;
  // The store's convolution, where there is one: rows [B, S T, 2C] -> [B, S T, 3C].
  void mix_store_rows(int64_t l, Tensor& rows);
  // What refreshed memory rows (write stream) read: memory rows and kept tokens -> compute dtype
  // [B, M, C].
  Tensor refreshed_read(const MemoryLayer& memory, const Tensor& rows, const Tensor& segment_qkv,
                        const Tensor& kept) const;
  // The bridge that segment s leaves to the next, compute dtype [B, k, 2C]; `bridge` is the one it
  // found.
  Tensor next_bridge(const Tensor& segment_qkv, int64_t s, const Tensor& bridge) const;

  const RmkvConfig& config_;
  const RmkvWeights& weights_;
  const SegmentPlan& plan_;
  State& state_;
  at::ScalarType compute_;
  Tensor residual_;              // [B, S T, C], before the branch that is being computed
  Tensor marks_;                 // of the shifts, see SegmentPlan::marks
  std::vector<Tensor> streams_;  // the write stream of each segment, [B, M, C]
};

Tensor ParallelPass::embedded() {
  const auto wide = weights_.embedding.scalar_type();
  Tensor rows = kernels::embedding(plan_.tokens, weights_.embedding, wide);
  Tensor start = state_.get("tokens");
  if (config_.positions != Positions::kLearned && config_.positions != Positions::kSinusoidal) {
    state_.set("tokens", plan_.advanced(start));
    return rows;
  }
  std::vector<Tensor> parts = rows.split(plan_.length, 1);
  for (int64_t s = 0; s < plan_.segments; ++s) {
    start = plan_.restarted(start, s);
    auto& part = parts[static_cast<size_t>(s)];
    part = add_positions(config_, weights_, part, 0, start);
    start = start + plan_.count(s);
  }
  state_.set("tokens", start);
  return at::cat(parts, 1);
}

Tensor ParallelPass::shifted(const char* kind, int64_t l, const Tensor& weights,
                             const Tensor& rows) {
  if (!weights.defined()) return rows;
  const std::string name = layer_name(kind, l);
  auto [mixed, last] = kernels::short_convolution(rows, state_.get(name), weights, marks_);
  state_.set(name, last.contiguous());
  return mixed;
}

Tensor ParallelPass::next_bridge(const Tensor& segment_qkv, int64_t s, const Tensor& bridge) const {
  const Tensor pairs = segment_qkv.narrow(2, config_.channels, 2 * config_.channels);
  const Tensor newest = plan_.newest_rows(pairs, s, config_.bridge);
  return plan_.padded() ? choose(plan_.alive(s), newest, bridge) : newest;
}

Tensor ParallelPass::refreshed_read(const MemoryLayer& memory, const Tensor& rows,
                                    const Tensor& segment_qkv, const Tensor& kept) const {
  const auto heads = [&](const Tensor& x) {
    return x.unflatten(-1, {config_.heads, config_.head_dim()});
  };
  const auto own = memory.projected(rows).chunk(3, -1);
  const auto tokens = segment_qkv.chunk(3, -1);
  Tensor keys = heads(tokens[1]);
  if (config_.positions == Positions::kRope) keys = kernels::rotate(keys, 0);
  Tensor visible;
  if (kept.defined()) visible = at::cat({kept.new_ones({kept.size(0), rows.size(1)}), kept}, 1);
  return kernels::cached_attention(heads(own[0]), at::cat({heads(own[1]), keys}, 1),
                                   at::cat({heads(own[2]), heads(tokens[2])}, 1), /*causal=*/false,
                                   visible);
}

Tensor ParallelPass::memory_part(const kernels::SegmentRows& rows,
                                 const kernels::AttentionOptions& options,
                                 bool values_of_one) const {
  const auto with_values = [&](const Tensor& x, double value) {
    Tensor changed = x.clone();
    changed.narrow(2, x.size(2) - config_.channels, config_.channels).fill_(value);
    return changed;
  };
  kernels::SegmentRows changed = rows;
  changed.tokens = with_values(rows.tokens, 0);
  if (rows.bridge.defined()) changed.bridge = with_values(rows.bridge, 0);
  if (values_of_one) changed.memory = with_values(rows.memory, 1);
  return kernels::segment_attention(changed, options).second;
}

Tensor ParallelPass::against_residual(const Tensor& rows) const {
  const auto wide = residual_.scalar_type();
  return rows.to(wide).norm(2, {-1}) / residual_.norm(2, {-1}).clamp_min(1e-12);
}

Tensor ParallelPass::attention(int64_t l, const Tensor& hidden) {
  const RmkvLayer& layer = weights_.layers[static_cast<size_t>(l)];
  const Tensor rows_in = shifted("shift", l, layer.shift, hidden);
  const auto segments =
      normed_heads(config_, layer, kernels::linear(rows_in, layer.qkv, layer.qkv_bias))
          .split(plan_.length, 1);
  const bool bridged = config_.bridge > 0;
  const kernels::AttentionOptions whole{config_.heads, config_.positions == Positions::kRope,
                                        kernels::kRotaryBase};

  std::unique_ptr<MemoryLayer> memory;
  CellState cell;
  if (layer.slots) {
    memory = std::make_unique<MemoryLayer>(config_, layer, compute_);
    cell.hidden = state_.get(layer_name("memory", l));
    if (layer.initial_carry.defined()) cell.carry = state_.get(layer_name("carry", l));
  }
  Tensor bridge = bridged ? state_.get(layer_name("bridge", l)).to(compute_) : Tensor();
  std::vector<Tensor> outputs, shares, reads;
  for (int64_t s = 0; s < plan_.segments; ++s) {
    const Tensor& qkv = segments[static_cast<size_t>(s)];
    kernels::SegmentRows rows;
    rows.tokens = qkv;
    rows.bridge = bridge;
    rows.visible = plan_.visible(s);
    if (memory) {
      if (plan_.has_reset(s)) {
        cell.hidden = choose(plan_.reset(s), layer.initial, cell.hidden);
        if (cell.carry.defined())
          cell.carry = choose(plan_.reset(s), layer.initial_carry, cell.carry);
      }
      rows.memory = memory->projected(cell.hidden);
    }
    auto [read, mixed] = kernels::segment_attention(rows, whole);
    if (readings && memory) {
      shares.push_back(memory_part(rows, whole, true));
      reads.push_back(memory_part(rows, whole, false));
    }
    if (layer.read_gate.defined()) {
      // Both softmaxes, with and without the memory, mixed per head: a gate of 0 is a plain
      // windowed transformer.
      kernels::SegmentRows blind = rows;
      blind.memory = Tensor();
      const Tensor without = kernels::segment_attention(blind, whole).second;
      const Tensor gate = layer.read_gate.to(compute_).repeat_interleave(config_.head_dim());
      mixed = without + gate * (mixed - without);
    }
    outputs.push_back(mixed);
    if (memory) {
      Tensor stream;
      if (!streams_.empty()) {
        stream = streams_[static_cast<size_t>(s)];
        read = refreshed_read(*memory, cell.hidden + stream, qkv, plan_.kept(s));
      }
      const CellState next = memory->commit(read, memory->pool(mixed, plan_.kept(s)), cell, stream);
      if (!streams_.empty()) streams_[static_cast<size_t>(s)] = stream;
      if (plan_.padded()) {
        cell.hidden = choose(plan_.alive(s), next.hidden, cell.hidden);
        if (cell.carry.defined()) cell.carry = choose(plan_.alive(s), next.carry, cell.carry);
      } else {
        cell = next;
      }
    }
    if (bridged) bridge = next_bridge(qkv, s, bridge);
  }
  if (memory) {
    state_.set(layer_name("memory", l), cell.hidden);
    if (cell.carry.defined()) state_.set(layer_name("carry", l), cell.carry);
  }
  if (!shares.empty()) {
    const Tensor gate = layer.read_gate.defined()
                            ? layer.read_gate.to(compute_).repeat_interleave(config_.head_dim())
                            : at::ones({}, hidden.options());
    const Tensor share = at::cat(shares, 1) * gate, part = at::cat(reads, 1) * gate;
    (*readings)[layer_name("attention_share", l)] = share.mean(-1, false, residual_.scalar_type());
    (*readings)[layer_name("read_norm", l)] = against_residual(kernels::linear(part, layer.out));
  }
  // A copy: the view would keep the whole projection alive.
  if (bridged) state_.set(layer_name("bridge", l), bridge.contiguous());
  const Tensor mixed = outputs.size() == 1 ? outputs[0] : at::cat(outputs, 1);
  return kernels::linear(mixed, layer.out);
}

void ParallelPass::mix_store_rows(int64_t l, Tensor& rows) {
  const Tensor weights = store_mixing(weights_.layers[static_cast<size_t>(l)]);
  if (!weights.defined()) return;
  const int64_t held = weights.size(0) - 1;
  Tensor recent = state_.get(layer_name("recent", l));
  bool restarts = plan_.padded();
  for (int64_t s = 0; s < plan_.segments; ++s) restarts = restarts || plan_.has_reset(s);
  // Without padding and resets the segments' borders mean nothing here.
  const int64_t block = restarts ? plan_.length : rows.size(1);
  std::vector<Tensor> mixed;
  for (int64_t s = 0; s * block < rows.size(1); ++s) {
    if (restarts && plan_.has_reset(s))
      recent = choose(plan_.reset(s), at::zeros({}, recent.options()), recent);
    const Tensor part = rows.narrow(1, s * block, block);
    mixed.push_back(mix_rows(recent, part, weights));
    const Tensor all = at::cat({recent, part}, 1);
    recent = plan_.padded() ? plan_.rows_from_count(all, s, held) : all.narrow(1, block, held);
  }
  rows = mixed.size() == 1 ? mixed[0] : at::cat(mixed, 1);
  state_.set(layer_name("recent", l), recent.contiguous());
}

Tensor ParallelPass::read_store(int64_t l, const Tensor& hidden) {
  const RmkvLayer& layer = weights_.layers[static_cast<size_t>(l)];
  StoreMaps maps = store_maps(layer, hidden, plan_.tokens, weights_.codes);
  mix_store_rows(l, maps.rows);
  const StoreRows rows = store_rows(config_, maps.rows, maps.gates);
  const Tensor decay = store_decay(layer);
  Tensor store = state_.get(layer_name("store", l));
  std::vector<Tensor> outputs;
  for (int64_t s = 0; s < plan_.segments; ++s) {
    const auto part = [&](const Tensor& x) { return x.narrow(2, s * plan_.length, plan_.length); };
    if (plan_.has_reset(s)) store = choose(plan_.reset(s), at::zeros({}, store.options()), store);
    const Tensor queries = part(rows.queries);
    StoreWrites writes{part(rows.writes.keys), part(rows.writes.values), part(rows.writes.gates)};
    if (plan_.padded())
      writes.gates = writes.gates * plan_.kept(s).unsqueeze(1).to(writes.gates.scalar_type());
    StoreBlock block;
    if (config_.store_read == StoreRead::kToken) {
      block = delta_block(store * decay, queries, writes);
    } else {
      block = {store_read(store, queries), delta_writes(store * decay, writes)};
    }
    outputs.push_back(block.reads);
    store = plan_.padded() ? choose(plan_.alive(s), block.store, store) : block.store;
  }
  state_.set(layer_name("store", l), store);
  const Tensor branch = kernels::linear(at::cat(outputs, 1).to(compute_), layer.store_out);
  if (readings) (*readings)[layer_name("store_norm", l)] = against_residual(branch);
  return branch;
}

Tensor ParallelPass::run() {
  Tensor x = embedded();
  if (config_.embedding_norm)
    x = kernels::rms_norm(x, weights_.embedding_norm, kNormEpsilon, x.scalar_type());
  if (config_.write_stream) {
    const Tensor start = weights_.stream_start.unsqueeze(0).expand({x.size(0), -1, -1});
    streams_.assign(static_cast<size_t>(plan_.segments), start);
  }
  Tensor branch;  // output of the last residual branch, not yet added to x
  Tensor hidden;
  const auto advance = [&](const Tensor& norm) {
    if (branch.defined()) {
      std::tie(x, hidden) = kernels::add_rms_norm(x, branch, norm, kNormEpsilon, compute_);
    } else {
      hidden = kernels::rms_norm(x, norm, kNormEpsilon, compute_);
    }
  };
  for (int64_t l = 0; l < config_.layers; ++l) {
    const RmkvLayer& layer = weights_.layers[static_cast<size_t>(l)];
    advance(layer.norm);
    if (readings) residual_ = x;
    branch = attention(l, hidden);
    if (layer.store) branch = branch + read_store(l, hidden);
    if (!layer.ffn_in.defined()) continue;
    advance(layer.ffn_norm);
    branch = feed_forward(config_, layer, shifted("ffn_shift", l, layer.ffn_shift, hidden));
  }
  advance(weights_.final_norm);
  if (config_.bridge > 0) state_.set("bridge.visible", plan_.bridge_visible(plan_.segments));
  return hidden;
}

}  // namespace

Tensor parallel_forward(const RmkvConfig& config, const RmkvWeights& weights, const Tensor& tokens,
                        State& state, const ForwardOptions& options) {
  const SegmentPlan plan(config, tokens, state, options);
  ParallelPass pass(config, weights, plan, state, options.compute_dtype);
  pass.readings = options.readings;
  if (options.readings) options.readings->clear();
  const Tensor hidden = plan.in_given_order(pass.run());
  if (options.readings) {
    for (auto& entry : *options.readings)
      entry.second = plan.in_given_order(entry.second.unsqueeze(2)).squeeze(2);
  }
  return hidden;
}

}  // namespace rmkv
