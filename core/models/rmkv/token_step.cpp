// What is covered, buffers, shares and the walk through the layers; see token_step.h.
#include "core/models/rmkv/token_step.h"

#include <algorithm>
#include <string_view>

#include "core/base/clock.h"
#include "core/kernels/cpu/matrix_vector.h"
#include "core/kernels/rotary.h"
#include "core/memory/pooling.h"
#include "core/models/rmkv/positions.h"
#include "core/models/rmkv/rmkv_state.h"
#include "core/models/rmkv/token_layer.h"
#include "core/models/rmkv/token_rows.h"
#include "core/tensor/torch.h"

namespace rmkv {

using kernels::cpu::matrix_vector;
using kernels::cpu::ThreadChoice;
using kernels::cpu::ThreadTeam;

namespace {

// Options whose every value is covered; names of choices are checked beside them.
constexpr std::string_view kKnown =
    " architecture vocabulary channels layers heads slots segment_tokens cell pooling "
    "positions ffn ffn_hidden bridge store store_heads store_keys store_values store_read "
    "store_layers store_convolution store_features memory_layers commit tie_head "
    "write_stream zero_read horizon memory_std embedding_std attention_shift "
    "ffn_shift qk_norm recency embedding_norm branch_scale ";
const std::vector<std::pair<std::string, std::vector<std::string>>> kKnownNames = {
    {"positions", {"rope", "learned", "sinusoidal", "none"}},
    {"ffn", {"swiglu", "relu2", "none"}},
    {"pooling", {"mean", "query"}},
    {"store_keys", {"projected", "codes"}},
    {"store_values", {"projected", "codes"}},
    {"store_read", {"segment", "token"}}};

constexpr int64_t kLayerSteps = 5;  // parts of a layer between barriers

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

bool TokenStep::covers(const RmkvConfig& config, const RmkvWeights& weights) {
  if (config.commit != Commit::kSegment) return false;
  const Table table = config.to_table();
  for (const auto& [key, value] : table) {
    const bool known = kKnown.find(" " + key + " ") != std::string_view::npos;
    if (!known && !is_off(value)) return false;
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
    return std::vector<float>(static_cast<size_t>(count + kTokenUnit), 0.0f);
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

void TokenStep::make_team(int threads) {
  team_.emplace(threads);
  int64_t values = 0;
  for (const Layer& layer : layers_) {
    const RmkvLayer& from = *layer.source;
    for (const Tensor* matrix : {&from.qkv, &from.out, &from.ffn_in, &from.ffn_out, &from.store_map,
                                 &from.store_out, &from.pool_query}) {
      if (matrix->defined()) values += matrix->numel();
    }
  }
  constexpr int64_t kBytes = sizeof(float);
  row_choice_.emplace(ThreadTeam::worth(values * kBytes, kLayerSteps * config_.layers, threads),
                      threads);
  head_choice_.emplace(ThreadTeam::worth(weights_.head.numel() * kBytes, 1, threads), threads);
  const auto rows = [](int64_t count) {
    return std::vector<float>(static_cast<size_t>(count + kTokenUnit), 0.0f);
  };
  const int64_t D = config_.store_head_dim(), K = config_.store_key_dim();
  const int64_t seen = config_.bridge + config_.slots + config_.segment_tokens;
  scratch_.assign(static_cast<size_t>(threads),
                  {rows(config_.channels), rows(config_.channels), rows(config_.head_dim()),
                   rows(seen), rows(K), rows(K), rows(D), rows(D)});
}

void TokenStep::prepare() {
  const int threads = static_cast<int>(thread_count());
  if (!team_ || team_->size() != threads) make_team(threads);
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
  run_timed(*row_choice_, [&](int thread) { run(token, hidden, thread); });
  state.set_counter("open", position_ + 1);
  return true;
}

template <typename Job>
void TokenStep::run_timed(ThreadChoice& choice, const Job& job) {
  threads_ = choice.threads();
  const double started = monotonic_seconds();
  team_->run(threads_, job);
  choice.note(monotonic_seconds() - started);
}

TokenStep::Range TokenStep::share(int64_t count, int thread, int64_t unit) const {
  const int64_t units = (count + unit - 1) / unit;
  return {std::min(count, units * thread / threads_ * unit),
          std::min(count, units * (thread + 1) / threads_ * unit)};
}

void TokenStep::logits(const float* hidden, float* logits) {
  prepare();
  const int64_t V = config_.vocabulary, C = config_.channels;
  const float* head = data(weights_.head);
  run_timed(*head_choice_, [&](int thread) {
    const Range rows = share(V, thread, kTokenUnit);
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
    const Range rows = share(C, thread, kTokenUnit);
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

}  // namespace rmkv
