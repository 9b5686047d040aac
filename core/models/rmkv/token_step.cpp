// Buffers, shares and the walk through the layers; see token_step.h.
#include "core/models/rmkv/token_step.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/cpu/matrix_vector.h"
#include "core/kernels/rotary.h"
#include "core/memory/pooling.h"
#include "core/models/rmkv/positions.h"
#include "core/models/rmkv/rmkv_state.h"
#include "core/models/rmkv/token_rows.h"
#include "core/tensor/torch.h"

namespace rmkv {

using kernels::cpu::matrix_vector;

namespace {

constexpr int64_t kUnit = 16;  // outputs that matrix_vector takes together

// Options whose every value is covered; names of choices are checked beside them.
const std::vector<std::string> kKnown = {"architecture",
                                         "vocabulary",
                                         "channels",
                                         "layers",
                                         "heads",
                                         "slots",
                                         "segment_tokens",
                                         "cell",
                                         "pooling",
                                         "positions",
                                         "ffn",
                                         "ffn_hidden",
                                         "bridge",
                                         "store",
                                         "store_heads",
                                         "store_keys",
                                         "store_read",
                                         "store_mix",
                                         "store_layers",
                                         "store_convolution",
                                         "store_features",
                                         "memory_layers",
                                         "commit",
                                         "tie_head",
                                         "write_stream",
                                         "zero_read",
                                         "horizon",
                                         "memory_std",
                                         "shift_start",
                                         "embedding_std",
                                         "attention_shift",
                                         "ffn_shift",
                                         "qk_norm",
                                         "recency",
                                         "embedding_norm",
                                         "branch_scale"};
const std::vector<std::pair<std::string, std::vector<std::string>>> kKnownNames = {
    {"positions", {"rope", "learned", "sinusoidal", "none"}},
    {"ffn", {"swiglu", "relu2", "none"}},
    {"pooling", {"mean", "query"}},
    {"store_keys", {"projected", "codes"}},
    {"store_read", {"segment", "token"}}};

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
bool is_off(const Value& value) {
  return (value.is_bool() && !value.as_bool()) || (value.is_number() && value.as_double() == 0);
}

const float* data(const Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

bool plain(const Tensor& tensor) {
  return tensor.is_cpu() && tensor.is_contiguous() && tensor.scalar_type() == at::kFloat;
}

}  // namespace

// The weights of a layer and where its part of the state lies; null where there is no such part.
struct TokenStep::Layer {
  const RmkvLayer* source;
  int64_t before = 0, slots = 0;  // rows of the cache before the tokens; memory rows among them
  const float *norm, *shift, *qkv, *qkv_bias, *query_norm, *key_norm, *out, *read_gate;
  const float *ffn_norm, *ffn_shift, *ffn_in, *ffn_out;
  const float *store_map, *strength, *store_mix, *store_gate, *store_gate_bias, *store_out;

  // Pooling queries carried back through the output projection, [M, C], and of which weights.
  std::vector<float> queries;
  uint64_t query_version = ~uint64_t{0};

  std::string cache_name, keys_name, sum_name, largest_name, denominator_name, numerator_name,
      store_name, committed_name, recent_name, shift_name, ffn_shift_name;
  float *cache = nullptr, *keys = nullptr, *sum = nullptr, *largest = nullptr,
        *denominator = nullptr, *numerator = nullptr, *open_store = nullptr, *recent = nullptr,
        *shifted = nullptr, *ffn_shifted = nullptr;
  const float* committed = nullptr;
};

bool TokenStep::covers(const RmkvConfig& config, const RmkvWeights& weights) {
  if (config.commit != Commit::kSegment) return false;
  const Table table = config.to_table();
  for (const auto& [key, value] : table) {
    if (!contains(kKnown, key) && !is_off(value)) return false;
  }
  for (const auto& [key, names] : kKnownNames) {
    if (!contains(names, table.at(key).as_string())) return false;
  }
  if (!plain(weights.embedding) || !plain(weights.head)) return false;
  return true;
}

TokenStep::TokenStep(const RmkvConfig& config, const RmkvWeights& weights)
    : config_(config), weights_(weights) {
  const int64_t C = config.channels, T = config.segment_tokens, bridge = config.bridge;
  for (int64_t l = 0; l < config.layers; ++l) {
    const RmkvLayer& from = weights.layers[static_cast<size_t>(l)];
    Layer layer{};
    layer.source = &from;
    layer.slots = from.slots ? config.slots : 0;
    layer.before = bridge + layer.slots;
    layer.norm = data(from.norm);
    layer.shift = data(from.shift);
    layer.qkv = data(from.qkv);
    layer.qkv_bias = data(from.qkv_bias);
    layer.query_norm = data(from.query_norm);
    layer.key_norm = data(from.key_norm);
    layer.out = data(from.out);
    layer.read_gate = data(from.read_gate);
    layer.ffn_norm = data(from.ffn_norm);
    layer.ffn_shift = data(from.ffn_shift);
    layer.ffn_in = data(from.ffn_in);
    layer.ffn_out = data(from.ffn_out);
    if (from.store) {
      layer.store_map = data(from.store_map);
      layer.strength = data(from.store_strength);
      layer.store_mix = data(from.store_mix);
      layer.store_gate = data(from.store_gate);
      layer.store_gate_bias = data(from.store_gate_bias);
      layer.store_out = data(from.store_out);
      layer.store_name = layer_name("open.store", l);
      layer.committed_name = layer_name("store", l);
      if (layer.store_mix) layer.recent_name = layer_name("open.recent", l);
    }
    layer.cache_name = layer_name("open.cache", l);
    if (bridge > 0) layer.keys_name = layer_name("open.keys", l);
    if (layer.shift) layer.shift_name = layer_name("open.shift", l);
    if (layer.ffn_shift) layer.ffn_shift_name = layer_name("open.ffn_shift", l);
    if (from.slots && from.pool_query.defined()) {
      layer.largest_name = layer_name("open.largest", l);
      layer.denominator_name = layer_name("open.denominator", l);
      layer.numerator_name = layer_name("open.numerator", l);
    } else if (from.slots) {
      layer.sum_name = layer_name("open.sum", l);
    }
    layers_.push_back(std::move(layer));
  }
  if (config.positions == Positions::kRope) {
    const Tensor table =
        kernels::rotary_table(0, T, config.head_dim(), kernels::kRotaryBase, at::kFloat, at::kCPU);
    const float* values = table.const_data_ptr<float>();
    const int64_t count = T * (config.head_dim() / 2);
    cosines_.assign(values, values + count);
    sines_.assign(values + count, values + 2 * count);
  }
  const auto rows = [](int64_t count) {
    return std::vector<float>(static_cast<size_t>(count + kUnit), 0.0f);
  };
  residual_ = rows(C);
  qkv_ = rows(3 * C);
  mixed_ = rows(C);
  store_rows_ = rows(3 * C);
  store_gates_ = rows(config.store_head_count());
  store_reads_ = rows(C);
  wide_ = rows(2 * config.hidden());
}

TokenStep::~TokenStep() = default;

void TokenStep::prepare() {
  const int threads = static_cast<int>(thread_count());
  if (!team_ || team_->size() != threads) {
    team_.emplace(threads);
    const auto rows = [](int64_t count) {
      return std::vector<float>(static_cast<size_t>(count + kUnit), 0.0f);
    };
    const int64_t D = config_.store_head_dim(), K = config_.store_key_dim();
    const int64_t seen = config_.bridge + config_.slots + config_.segment_tokens;
    scratch_.assign(static_cast<size_t>(threads),
                    {rows(config_.channels), rows(config_.channels), rows(config_.head_dim()),
                     rows(seen), rows(K), rows(K), rows(D), rows(D)});
  }
  for (Layer& layer : layers_) {
    const RmkvLayer& from = *layer.source;
    if (!from.slots || !from.pool_query.defined()) continue;
    // Both rise with every change of their values.
    const uint64_t version =
        (static_cast<uint64_t>(from.pool_query._version()) << 32) | from.out._version();
    if (version == layer.query_version) continue;
    at::NoGradGuard no_grad;
    const Tensor queries = carried_queries(from.pool_query, from.out).contiguous();
    layer.queries.assign(queries.const_data_ptr<float>(),
                         queries.const_data_ptr<float>() + queries.numel());
    layer.query_version = version;
  }
}

bool TokenStep::find_state(State& state) {
  const int64_t C = config_.channels, M = config_.slots, bridge = config_.bridge;
  bool found = true;
  // Looked at first, so that nothing is cloned for a state of another kind.
  const auto expect = [&](const std::string& name, int64_t count) {
    if (name.empty()) return;
    found = found && state.has(name) && plain(state.get(name)) && state.get(name).numel() == count;
  };
  const auto take = [&](const std::string& name) {
    return name.empty() ? nullptr : state.writable(name).mutable_data_ptr<float>();
  };
  const int64_t store_size = C * config_.store_key_dim();
  for (const Layer& layer : layers_) {
    expect(layer.cache_name, (layer.before + config_.segment_tokens) * 2 * C);
    expect(layer.keys_name, bridge * C);
    expect(layer.sum_name, C);
    expect(layer.largest_name, M);
    expect(layer.denominator_name, M);
    expect(layer.numerator_name, M * C);
    expect(layer.store_name, store_size);
    expect(layer.committed_name, store_size);
    expect(layer.recent_name, (config_.store_convolution - 1) * 2 * C);
    expect(layer.shift_name, config_.attention_shift * C);
    expect(layer.ffn_shift_name, config_.ffn_shift * C);
  }
  const Tensor& since = state.get("tokens");
  found = found && since.numel() == 1 && since.is_cpu() && since.scalar_type() == at::kLong;
  if (!found) return false;
  for (Layer& layer : layers_) {
    layer.cache = take(layer.cache_name);
    layer.keys = take(layer.keys_name);
    layer.sum = take(layer.sum_name);
    layer.largest = take(layer.largest_name);
    layer.denominator = take(layer.denominator_name);
    layer.numerator = take(layer.numerator_name);
    layer.open_store = take(layer.store_name);
    layer.recent = take(layer.recent_name);
    layer.shifted = take(layer.shift_name);
    layer.ffn_shifted = take(layer.ffn_shift_name);
    if (!layer.committed_name.empty()) layer.committed = data(state.get(layer.committed_name));
  }
  visible_ = bridge > 0 ? state.get("open.visible").const_data_ptr<bool>() : nullptr;
  int64_t& tokens = *state.writable("tokens").mutable_data_ptr<int64_t>();
  since_start_ = tokens++;
  return true;
}

bool TokenStep::advance(int64_t token, State& state, float* hidden) {
  position_ = state.counter("open");
  RMKV_ASSERT(position_ > 0 && position_ < config_.segment_tokens);
  prepare();
  if (!find_state(state)) return false;
  team_->run([&](int thread) { run(token, hidden, thread); });
  state.set_counter("open", position_ + 1);
  return true;
}

TokenStep::Range TokenStep::share(int64_t count, int thread, int64_t unit) const {
  const int64_t units = (count + unit - 1) / unit, size = team_->size();
  return {std::min(count, units * thread / size * unit),
          std::min(count, units * (thread + 1) / size * unit)};
}

void TokenStep::logits(const float* hidden, float* logits) {
  prepare();
  const int64_t V = config_.vocabulary, C = config_.channels;
  const float* head = data(weights_.head);
  team_->run([&](int thread) {
    const Range rows = share(V, thread, kUnit);
    matrix_vector(head, C, hidden, C, rows.first, rows.last, logits);
  });
}

void TokenStep::run(int64_t token, float* hidden, int thread) {
  const int64_t C = config_.channels;
  if (thread == 0) {
    std::copy_n(data(weights_.embedding) + token * C, C, residual_.data());
    float* row = residual_.data();
    add_position(config_, weights_, position_, since_start_, row);
    if (const float* norm = data(weights_.embedding_norm)) token::rms_norm(row, norm, C, row);
  }
  team_->barrier();
  for (const Layer& layer : layers_) {
    project(layer, token, thread);
    team_->barrier();
    attention(layer, thread);
    if (layer.store_out) store(layer, thread);
    team_->barrier();
    if (layer.slots > 0) pool(layer, thread);
    const Range rows = share(C, thread, kUnit);
    float* residual = residual_.data();
    matrix_vector(layer.out, C, mixed_.data(), C, rows.first, rows.last, residual, true);
    if (layer.store_out) {
      matrix_vector(layer.store_out, C, store_reads_.data(), C, rows.first, rows.last, residual,
                    true);
    }
    team_->barrier();
    if (!layer.ffn_in) continue;
    feed_forward(layer, thread);
    team_->barrier();
  }
  if (thread == 0) token::rms_norm(residual_.data(), data(weights_.final_norm), C, hidden);
}

void TokenStep::project(const Layer& layer, int64_t token, int thread) {
  const int64_t C = config_.channels;
  float* normed = scratch_[static_cast<size_t>(thread)].normed.data();
  token::rms_norm(residual_.data(), layer.norm, C, normed);
  const float* input = shifted(layer.shift, config_.attention_shift, layer.shifted, thread);
  const Range rows = share(3 * C, thread, kUnit);
  matrix_vector(layer.qkv, C, input, C, rows.first, rows.last, qkv_.data());
  if (layer.qkv_bias) {
    for (int64_t o = rows.first; o < rows.last; ++o) {
      qkv_[static_cast<size_t>(o)] += layer.qkv_bias[o];
    }
  }
  if (!layer.store_out) return;
  // [addresses and values], or [queries, keys, values] without a convolution.
  const int64_t made = layer.strength ? C : 0;  // codes, not products
  const Range maps = share(layer.store_mix ? 2 * C - made : 3 * C, thread, kUnit);
  float* to = store_rows_.data();
  matrix_vector(layer.store_map, C, normed, C, maps.first, maps.last, to + made);
  const Range gates = share(config_.store_head_count(), thread, kUnit);
  matrix_vector(layer.store_gate, C, normed, C, gates.first, gates.last, store_gates_.data());
  for (int64_t h = gates.first; h < gates.last; ++h) {
    float& gate = store_gates_[static_cast<size_t>(h)];
    gate = 1.0f / (1.0f + std::exp(-(gate + layer.store_gate_bias[h])));
  }
  if (made > 0) {
    const float* code = data(weights_.codes) + token * C;
    const Range channels = share(C, thread, kUnit);
    for (int64_t c = channels.first; c < channels.last; ++c) {
      to[c] = code[c] * layer.strength[token];
    }
  }
}

// The normalised row with the rows before it mixed in, as kernels::short_convolution.
const float* TokenStep::shifted(const float* weights, int64_t width, const float* recent,
                                int thread) {
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  if (!weights) return scratch.normed.data();
  const int64_t C = config_.channels;
  float* to = scratch.shifted.data();
  std::copy_n(scratch.normed.data(), C, to);
  for (int64_t j = 0; j < width; ++j) {
    const float *weight = weights + j * C, *row = recent + (width - 1 - j) * C;
    for (int64_t c = 0; c < C; ++c) to[c] += weight[c] * row[c];
  }
  return to;
}

// The newest normalised row becomes the last of `recent`; called when every thread has read it.
void TokenStep::keep_shift(float* recent, int64_t width, int thread) {
  if (!recent) return;
  const int64_t C = config_.channels;
  const float* newest = scratch_[static_cast<size_t>(thread)].normed.data();
  const Range channels = share(C, thread, kUnit);
  const int64_t count = channels.last - channels.first;
  for (int64_t j = 0; j < width; ++j) {
    const float* from = (j + 1 < width ? recent + (j + 1) * C : newest) + channels.first;
    std::copy_n(from, count, recent + j * C + channels.first);
  }
}

void TokenStep::attention(const Layer& layer, int thread) {
  const int64_t C = config_.channels, D = config_.head_dim(), row = layer.before + position_;
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  keep_shift(layer.shifted, config_.attention_shift, thread);
  const Range heads = share(config_.heads, thread, 1);
  for (int64_t h = heads.first; h < heads.last; ++h) {
    float *query = qkv_.data() + h * D, *key = query + C, *value = key + C;
    if (layer.query_norm) {
      token::rms_norm(query, layer.query_norm, D, query);
      token::rms_norm(key, layer.key_norm, D, key);
    }
    if (layer.keys) std::copy_n(key, D, layer.keys + position_ % config_.bridge * C + h * D);
    if (!cosines_.empty()) {
      const int64_t at = position_ * (D / 2);
      token::rotate(query, cosines_.data() + at, sines_.data() + at, D);
      token::rotate(key, cosines_.data() + at, sines_.data() + at, D);
    }
    std::copy_n(key, D, layer.cache + row * 2 * C + h * D);
    std::copy_n(value, D, layer.cache + row * 2 * C + C + h * D);
    token::HeadRows rows{layer.cache + h * D, layer.cache + C + h * D, 2 * C, row + 1, visible_};
    float* to = mixed_.data() + h * D;
    token::attend(query, rows, D, scratch.scores.data(), to);
    if (!layer.read_gate) continue;
    rows.hidden_first = config_.bridge;
    rows.hidden_last = layer.before;
    float* without = scratch.blind.data();
    token::attend(query, rows, D, scratch.scores.data(), without);
    for (int64_t d = 0; d < D; ++d) to[d] = without[d] + layer.read_gate[h] * (to[d] - without[d]);
  }
}

// Channels [first, first + count) of queries, keys or values (part 0, 1, 2) of the store.
void TokenStep::mix(const Layer& layer, const float* row, int64_t first, int64_t count, int part,
                    float* to) const {
  const int64_t C = config_.channels, width = config_.store_convolution;
  if (!layer.store_mix) {
    std::copy_n(row + part * C + first, count, to);
    return;
  }
  const int64_t at = (part == 2 ? C : 0) + first;
  // Row j places back: the newest is `row`, the older ones end with the newest in `recent`.
  const auto back = [&](int64_t j) {
    return (j == 0 ? row : layer.recent + (width - 1 - j) * 2 * C) + at;
  };
  if (layer.strength && part == 2) {
    std::copy_n(back(0), count, to);
    return;
  }
  std::fill_n(to, count, 0.0f);
  for (int64_t j = 0; j < width; ++j) {
    // With codes one set of weights serves queries, from the newest token on, and keys, from the
    // one before.
    const int64_t weight_row = layer.strength ? j - part : j;
    if (weight_row < 0 || (layer.strength && weight_row >= width - 1)) continue;
    const float* weight =
        layer.store_mix + (layer.strength ? weight_row * C : j * 3 * C + part * C) + first;
    const float* from = back(j);
    for (int64_t c = 0; c < count; ++c) to[c] += weight[c] * from[c];
  }
}

void TokenStep::store(const Layer& layer, int thread) {
  const int64_t C = config_.channels, D = config_.store_head_dim(), K = config_.store_key_dim();
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const float* row = store_rows_.data();
  const Range heads = share(config_.store_head_count(), thread, 1);
  for (int64_t h = heads.first; h < heads.last; ++h) {
    float *plain_row = scratch.update.data(), *query = scratch.query.data(),
          *key = scratch.key.data(), *value = scratch.value.data();
    mix(layer, row, h * D, D, 0, plain_row);
    token::address(plain_row, D, config_.store_features, query);
    mix(layer, row, h * D, D, 1, plain_row);
    token::address(plain_row, D, config_.store_features, key);
    mix(layer, row, h * D, D, 2, value);
    float* open = layer.open_store + h * K * D;
    const float* read =
        config_.store_read == StoreRead::kToken ? open : layer.committed + h * K * D;
    token::store_read(read, query, K, D, store_reads_.data() + h * D);
    token::store_write(open, key, value, store_gates_[static_cast<size_t>(h)], K, D,
                       scratch.update.data());
    if (!layer.recent) continue;
    for (const int64_t at : {h * D, C + h * D}) {
      const int64_t past = config_.store_convolution - 1;
      for (int64_t j = 0; j + 1 < past; ++j) {
        std::copy_n(layer.recent + (j + 1) * 2 * C + at, D, layer.recent + j * 2 * C + at);
      }
      std::copy_n(row + at, D, layer.recent + (past - 1) * 2 * C + at);
    }
  }
}

void TokenStep::pool(const Layer& layer, int thread) {
  const int64_t C = config_.channels;
  const float* row = mixed_.data();
  if (layer.sum) {
    const Range channels = share(C, thread, kUnit);
    for (int64_t c = channels.first; c < channels.last; ++c) layer.sum[c] += row[c];
    return;
  }
  const Range slots = share(config_.slots, thread, 1);
  float* scores = scratch_[static_cast<size_t>(thread)].scores.data();
  matrix_vector(layer.queries.data(), C, row, C, slots.first, slots.last, scores);
  for (int64_t m = slots.first; m < slots.last; ++m) {
    token::pool(scores[m], row, C, layer.largest[m], layer.denominator[m], layer.numerator + m * C);
  }
}

void TokenStep::feed_forward(const Layer& layer, int thread) {
  const int64_t C = config_.channels, F = config_.hidden();
  token::rms_norm(residual_.data(), layer.ffn_norm, C,
                  scratch_[static_cast<size_t>(thread)].normed.data());
  const float* input = shifted(layer.ffn_shift, config_.ffn_shift, layer.ffn_shifted, thread);
  float *gate = wide_.data(), *up = gate + F;
  const Range hidden = share(F, thread, kUnit);
  const int64_t count = hidden.last - hidden.first;
  matrix_vector(layer.ffn_in, C, input, C, hidden.first, hidden.last, gate);
  if (config_.ffn == FeedForward::kSwiGlu) {
    matrix_vector(layer.ffn_in + F * C, C, input, C, hidden.first, hidden.last, up);
    token::swiglu(gate + hidden.first, up + hidden.first, count);
  } else {
    token::squared_relu(gate + hidden.first, count);
  }
  team_->barrier();
  keep_shift(layer.ffn_shifted, config_.ffn_shift, thread);
  const Range rows = share(C, thread, kUnit);
  matrix_vector(layer.ffn_out, F, gate, F, rows.first, rows.last, residual_.data(), true);
}

}  // namespace rmkv
