// The engine behind the interface of every model: states, tensors, options; see engine.h.
#include "core/models/rwkv/engine.h"

#include <array>
#include <cmath>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/kernels/product.h"
#include "core/kernels/wkv.h"
#include "core/models/rwkv/engine_core.h"
#include "core/models/rwkv/rwkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "rwkv engine";

class RwkvEngine : public LanguageModel {
 public:
  RwkvEngine(const RwkvConfig& config, std::unique_ptr<EngineWeights> weights, int threads)
      : config_(config), core_(config, std::move(weights), threads) {
    facts_.architecture = config.architecture();
    facts_.vocabulary = config.vocabulary;
    facts_.channels = config.channels;
    facts_.layers = config.layers;
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      names_.push_back({rwkv_block_name(layer, "att.shift"), rwkv_block_name(layer, "ffn.shift"),
                        rwkv_block_name(layer, "att.state")});
    }
    pointers_.resize(names_.size());
    none_.finish();
  }

  const ModelFacts& facts() const override { return facts_; }
  Table config() const override { return config_.to_table(); }
  ParameterStore& parameters() override { return none_; }
  const EngineCore& core() const { return core_; }

  State initial_state(int64_t batch) override {
    State state;
    const int64_t D = config_.channels, N = config_.head_size;
    for (size_t layer = 0; layer < names_.size(); ++layer) {
      state.set(names_[layer].att_shift, at::zeros({batch, D}, at::kFloat));
      state.set(names_[layer].ffn_shift, at::zeros({batch, D}, at::kFloat));
      Tensor att;
      if (config_.version == 4) {
        att = kernels::wkv4_empty_state(batch, D, at::kFloat);
      } else {
        att = at::zeros({batch, config_.heads(), N, N}, at::kFloat);  // [key, value]
        const auto& tuned = core_.weights().tuned_states;
        if (!tuned.empty()) att.copy_(tuned[layer].transpose(1, 2).unsqueeze(0));
        if (config_.version == 7) att = att.transpose(2, 3);
      }
      state.set(names_[layer].att, att);
    }
    return state;
  }

  Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) override {
    check_shape(tokens, "rwkv engine: tokens", {-1, -1}, "BT");
    if (options.valid.defined()) fail(kWhere, "padding", "rows without padding");
    const int64_t B = tokens.size(0), T = tokens.size(1), D = config_.channels;
    const Tensor ids = tokens.to(at::kCPU, at::kLong).contiguous();
    check_tokens(ids);
    Tensor hidden = at::empty({B, T, D}, at::kFloat);
    if (B == 0 || T == 0) return hidden;
    find_state(state, B);
    const int64_t segments = options.resets.defined() ? options.resets.size(1) : 1;
    if (T % segments != 0) {
      fail(kWhere, std::to_string(T) + " tokens", "a multiple of " + std::to_string(segments));
    }
    const bool fast = !kernels::row_invariant();
    for (int64_t s = 0; s < segments; ++s) {
      if (options.resets.defined()) reset_lanes(options.resets.select(1, s), state);
      advance(ids, hidden, s * (T / segments), (s + 1) * (T / segments), fast);
    }
    return hidden;
  }

  bool step(int64_t token, State& state, const ForwardOptions& options, float* hidden) override {
    if (options.valid.defined() || options.resets.defined()) return false;
    check_token(token);
    find_state(state, 1);
    core_.advance(&token, 1, 1, 1, pointers_, hidden, /*fast=*/false);
    return true;
  }
  bool step_logits(const float* hidden, float* logits) override {
    core_.logits(hidden, 1, logits);
    return true;
  }

  Tensor logits(const Tensor& hidden) override {
    const int64_t D = config_.channels;
    if (hidden.dim() < 1 || hidden.size(-1) != D) {
      fail("rwkv engine: hidden", tensor_text(hidden), "[.., " + std::to_string(D) + "]");
    }
    const Tensor rows = hidden.detach().to(at::kFloat).contiguous();
    std::vector<int64_t> shape = rows.sizes().vec();
    shape.back() = config_.vocabulary;
    Tensor result = at::empty(shape, at::kFloat);
    core_.logits(rows.const_data_ptr<float>(), rows.numel() / D, result.mutable_data_ptr<float>());
    return result;
  }

  // Converted when asked for: the engine itself reads the packed head.
  Tensor head_weight() override { return core_.weights().head_source.to_float(); }

 private:
  struct Names {
    std::string att_shift, ffn_shift, att;
  };

  void check_token(int64_t id) const {
    if (id < 0 || id >= config_.vocabulary) {
      fail(kWhere, "id " + std::to_string(id),
           "ids in [0, " + std::to_string(config_.vocabulary) + ")");
    }
  }
  void check_tokens(const Tensor& ids) const {
    const int64_t* id = ids.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < ids.numel(); ++i) check_token(id[i]);
  }

  // A tensor of the state and the order of its dimensions in memory.
  struct Place {
    const std::string& name;
    std::array<int64_t, 4> shape;  // the first `dimensions` of it
    int64_t dimensions;
    bool transposed = false;  // the last two dimensions
  };

  // The tensor's memory for writing, brought into the engine's dtype and layout where it is not;
  // allocates nothing otherwise.
  float* writable(State& state, const Place& place) {
    Tensor& tensor = state.writable(place.name);
    const at::IntArrayRef shape(place.shape.data(), static_cast<size_t>(place.dimensions));
    if (tensor.sizes() != shape) check_shape(tensor, place.name, shape.vec(), "");
    if (tensor.scalar_type() != at::kFloat || !tensor.is_cpu() || tensor.requires_grad() ||
        !lies_well(tensor, place.transposed)) {
      const Tensor in_memory = place.transposed ? tensor.transpose(2, 3) : tensor;
      Tensor own = at::empty(in_memory.sizes(), at::kFloat);
      own.copy_(in_memory.detach());
      tensor = place.transposed ? own.transpose(2, 3) : own;
    }
    return tensor.mutable_data_ptr<float>();
  }
  static bool lies_well(const Tensor& tensor, bool transposed) {
    if (!transposed) return tensor.is_contiguous();
    const int64_t rows = tensor.size(2), columns = tensor.size(3);
    return tensor.stride(2) == 1 && tensor.stride(3) == rows &&
           tensor.stride(1) == rows * columns &&
           tensor.stride(0) == tensor.size(1) * rows * columns;
  }

  void find_state(State& state, int64_t B) {
    const int64_t D = config_.channels, N = config_.head_size, H = config_.heads();
    const bool four = config_.version == 4;
    for (size_t layer = 0; layer < names_.size(); ++layer) {
      const Names& name = names_[layer];
      const Place att = four ? Place{name.att, {B, 3, D}, 3}
                             : Place{name.att, {B, H, N, N}, 4, config_.version == 7};
      pointers_[layer] = {writable(state, {name.att_shift, {B, D}, 2}),
                          writable(state, {name.ffn_shift, {B, D}, 2}), writable(state, att)};
    }
  }

  void reset_lanes(const Tensor& resets, const State& state) {
    const Tensor marks = resets.to(at::kCPU, at::kBool).contiguous();
    const bool* mark = marks.const_data_ptr<bool>();
    State fresh;
    for (int64_t lane = 0; lane < marks.numel(); ++lane) {
      if (!mark[lane]) continue;
      if (fresh.tensors().empty()) fresh = initial_state(1);
      for (const auto& [name, tensor] : state.tensors()) {
        tensor.select(0, lane).copy_(fresh.get(name).select(0, 0));
      }
    }
  }

  // Tokens [first, last) of every lane, in blocks that the engine's buffers hold.
  void advance(const Tensor& ids, Tensor& hidden, int64_t first, int64_t last, bool fast) {
    const int64_t B = ids.size(0), T = ids.size(1), D = config_.channels, N = config_.head_size;
    const int64_t lanes_at_once = std::min(B, EngineCore::kMostRows);
    const int64_t tokens_at_once = EngineCore::kMostRows / lanes_at_once;
    const int64_t att_size = config_.version == 4 ? 3 * D : D * N;
    for (int64_t t = first; t < last; t += tokens_at_once) {
      check_cancelled(kWhere);
      for (int64_t lane = 0; lane < B; lane += lanes_at_once) {
        std::vector<EngineLayerState>& at = block_pointers_;
        at = pointers_;
        for (EngineLayerState& layer : at) {
          layer.att_shift += lane * D;
          layer.ffn_shift += lane * D;
          layer.att += lane * att_size;
        }
        core_.advance(ids.const_data_ptr<int64_t>() + lane * T + t,
                      std::min(lanes_at_once, B - lane), std::min(tokens_at_once, last - t), T, at,
                      hidden.mutable_data_ptr<float>() + (lane * T + t) * D, fast);
      }
    }
  }

  const RwkvConfig config_;
  ModelFacts facts_;
  EngineCore core_;
  ParameterStore none_;
  std::vector<Names> names_;  // [L]
  std::vector<EngineLayerState> pointers_, block_pointers_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_rwkv_engine(const RwkvConfig& config, const WeightMap& weights,
                                                std::optional<WeightType> type, int threads,
                                                std::optional<WeightType> head) {
  if (config.version != 4 && config.head_size > 256) {
    fail(kWhere, "head size " + std::to_string(config.head_size), "at most 256");
  }
  if (threads < 0 || threads > 1024) {
    fail(kWhere, std::to_string(threads) + " threads", "0 (as LibTorch) to 1024");
  }
  if (threads == 0) threads = static_cast<int>(thread_count());
  return std::make_unique<RwkvEngine>(config, pack_rwkv_weights(config, weights, type, head),
                                      threads);
}

bool is_rwkv_engine(const LanguageModel& model) {
  return dynamic_cast<const RwkvEngine*>(&model) != nullptr;
}

EngineFacts rwkv_engine_facts(const LanguageModel& model) {
  const auto* engine = dynamic_cast<const RwkvEngine*>(&model);
  if (!engine) fail(kWhere, model.facts().architecture + " for training", "an inference engine");
  const EngineCore& core = engine->core();
  return {core.weights().step_bytes, core.weights().prefill_multiplications,
          core.weights().arena.reserved_bytes(), core.threads()};
}

WeightMap random_rwkv_weights(const RwkvConfig& config, uint64_t seed, WeightType type) {
  WeightMap weights;
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const RwkvParameter& parameter : rwkv_parameters(config)) {
    const bool matrix = parameter.shape.size() > 1;
    Tensor values = at::empty(parameter.shape, at::kFloat).uniform_(-1, 1, generator);
    if (matrix)
      values.mul_(std::sqrt(3.0 / static_cast<double>(parameter.shape.back())));
    else if (parameter.name.ends_with(".weight"))
      values.add_(1);  // norms
    WeightTensor weight = weight_of(values);
    weights[parameter.name] = matrix ? converted(weight, type) : weight;
  }
  return weights;
}

}  // namespace rmkv
