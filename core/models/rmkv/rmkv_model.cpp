// Checks, choice of form and probes; see rmkv_model.h.
#include "core/models/rmkv/rmkv_model.h"

#include <algorithm>
#include <optional>

#include "core/memory/measures.h"
#include "core/models/rmkv/parallel.h"
#include "core/models/rmkv/published.h"
#include "core/models/rmkv/recurrent.h"
#include "core/models/rmkv/replay.h"
#include "core/models/rmkv/rmkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "rmkv.forward";

void check_tokens(const Tensor& tokens, const State& state) {
  if (!tokens.defined() || tokens.dim() != 2 || tokens.scalar_type() != at::kLong ||
      tokens.size(1) == 0) {
    fail(kWhere, tensor_text(tokens), "int64 tokens [B, T] with at least one token");
  }
  if (tokens.size(0) != state.batch()) {
    fail(kWhere, tensor_text(tokens),
         "a state of as many lanes, not " + std::to_string(state.batch()),
         "make one with initial_state(batch)");
  }
}

// A parameter that gets gradients in this call; undefined when none does.
Tensor gradient_anchor(const ParameterStore& parameters) {
  if (!at::GradMode::is_enabled()) return {};
  for (const Parameter& parameter : parameters.all()) {
    if (parameter.value.requires_grad()) return parameter.value;
  }
  return {};
}

}  // namespace

RmkvModel::RmkvModel(const RmkvConfig& config, ParameterSeed seed, at::ScalarType dtype,
                     at::Device device)
    : config_(config), parameters_(dtype, device) {
  const std::vector<ParameterSpec> specs = rmkv_parameter_specs(config_);
  for (const ParameterSpec& spec : specs) parameters_.add(spec.name, spec.shape, spec.group);
  parameters_.finish();
  if (seed) {
    auto spec = specs.begin();
    parameters_.fill([&](Tensor& value) { value.copy_(initial_value(*spec++, *seed)); });
  }
  weights_ = bind_weights(config_, parameters_);
  facts_.architecture = "rmkv";
  facts_.vocabulary = config_.vocabulary;
  facts_.channels = config_.channels;
  facts_.layers = config_.layers;
  facts_.segment_tokens = config_.segment_tokens;
  facts_.any_split = config_.commit == Commit::kSegment;
  if (config_.commit == Commit::kPublished) facts_.warning = kPublishedWarning;
}

State RmkvModel::initial_state(int64_t batch) {
  return rmkv_initial_state(config_, weights_, batch);
}

ForwardOptions RmkvModel::resolved(const ForwardOptions& options) const {
  ForwardOptions result = options;
  if (parameters_.dtype() == at::kDouble) result.compute_dtype = at::kDouble;
  return result;
}

Tensor RmkvModel::forward(const Tensor& tokens, State& state, const ForwardOptions& given) {
  check_tokens(tokens, state);
  const ForwardOptions options = resolved(given);
  const int64_t length =
      options.segment_tokens > 0 ? options.segment_tokens : config_.segment_tokens;
  const int64_t open = state.counter("open"), count = tokens.size(1);
  const Tensor anchor = gradient_anchor(parameters_);
  const bool whole_only = options.valid.defined() || options.resets.defined() ||
                          options.segment_tokens > 0 || options.readings || anchor.defined();
  if (whole_only && (open > 0 || count % length != 0)) {
    fail(
        kWhere,
        std::to_string(count) + " tokens, " + std::to_string(open) + " already in the open segment",
        "whole segments of " + std::to_string(length) + " from a segment start",
        "padding, resets, segment_tokens, readings and gradients need them; pad with `valid`, or "
        "run without "
        "gradients");
  }
  const bool published = config_.commit == Commit::kPublished;
  if (options.replay && anchor.defined()) {
    return replayed_forward(
        [this, published](const Tensor& ids, State& at, const ForwardOptions& how) {
          return (published ? published_forward : parallel_forward)(config_, weights_, ids, at,
                                                                    how);
        },
        anchor, tokens, state, options, length);
  }
  if (published) return published_forward(config_, weights_, tokens, state, options);
  if (open == 0 && count % length == 0)
    return parallel_forward(config_, weights_, tokens, state, options);

  std::optional<SerialScope> serial;
  if (tokens.numel() == 1 && options.compute_dtype == at::kFloat && token_step()) serial.emplace();
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < count;) {
    const int64_t room = length - state.counter("open"), left = count - first;
    int64_t take = std::min(room, left);
    if (room == length && left >= length) {
      take = left / length * length;
      parts.push_back(
          parallel_forward(config_, weights_, tokens.narrow(1, first, take), state, options));
    } else {
      parts.push_back(recurrent_forward(config_, weights_, tokens.narrow(1, first, take), state,
                                        options.compute_dtype));
    }
    first += take;
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

TokenStep* RmkvModel::token_step() {
  if (!step_asked_ && TokenStep::covers(config_, weights_)) {
    step_ = std::make_unique<TokenStep>(config_, weights_);
  }
  step_asked_ = true;
  return step_.get();
}

bool RmkvModel::step(int64_t token, State& state, const ForwardOptions& options, float* hidden) {
  // A segment's first token opens it: forward does.
  if (options.compute_dtype != at::kFloat || options.valid.defined() || options.resets.defined() ||
      options.segment_tokens > 0 || state.counter("open") == 0 || state.batch() != 1) {
    return false;
  }
  if (token < 0 || token >= config_.vocabulary) {
    fail(kWhere, "id " + std::to_string(token),
         "ids in [0, " + std::to_string(config_.vocabulary) + ")");
  }
  if (!token_step() || !step_->advance(token, state, hidden)) return false;
  if (state.counter("open") == config_.segment_tokens) {
    const SerialScope serial;
    flush(state, options);
  }
  return true;
}

bool RmkvModel::step_logits(const float* hidden, float* logits) {
  if (!token_step()) return false;
  step_->logits(hidden, logits);
  return true;
}

void RmkvModel::flush(State& state, const ForwardOptions& given) {
  const ForwardOptions options = resolved(given);
  if (config_.commit == Commit::kPublished) {
    published_flush(config_, weights_, state, options);
  } else {
    recurrent_flush(config_, weights_, state, options.compute_dtype);
  }
}

std::vector<std::string> RmkvModel::memory_names(const State& state) const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state.tensors()) {
    for (const char* kind : {"memory", "carry", "store"}) {
      if (name.rfind(kind, 0) == 0) names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string> RmkvModel::probe_names() const {
  std::vector<std::string> names;
  for (int64_t l = 0; l < config_.layers; ++l) {
    const RmkvLayer& layer = weights_.layers[static_cast<size_t>(l)];
    const auto add = [&](const char* kind) { names.push_back(layer_name(kind, l)); };
    if (layer.slots) {
      for (const char* kind : {"memory", "keep", "half_life", "slot_cosine", "rank"}) add(kind);
      if (layer.initial_carry.defined()) add("carry");
    }
    if (layer.store) {
      add("store");
      add("store_half_life");
    }
  }
  if (config_.commit == Commit::kPublished) names = {"memory", "slot_cosine", "rank"};
  return names;
}

Tensor RmkvModel::probe(const std::string& name, const State& state) {
  const auto names = probe_names();
  if (std::find(names.begin(), names.end(), name) == names.end())
    return LanguageModel::probe(name, state);
  at::NoGradGuard no_grad;
  const size_t dot = name.find('.');
  const std::string kind = name.substr(0, dot),
                    suffix = dot == std::string::npos ? "" : name.substr(dot);
  if (kind == "slot_cosine") return slot_cosine(state.get("memory" + suffix));
  if (kind == "rank") return effective_rank(state.get("memory" + suffix));
  if (kind == "memory" || kind == "carry" || kind == "store") return state.get(name).detach();
  const RmkvLayer& layer = weights_.layers[static_cast<size_t>(std::stoll(suffix.substr(1)) - 1)];
  if (kind == "store_half_life") return half_life(at::sigmoid(layer.store_decay));
  const Tensor keep = resting_keep_rate(config_.cell, layer.cell);
  return kind == "keep" ? keep : half_life(keep);
}

std::unique_ptr<LanguageModel> create_rmkv(const Table& config, ParameterSeed seed,
                                           at::ScalarType parameter_dtype, at::Device device) {
  return std::make_unique<RmkvModel>(RmkvConfig::from_table(config), seed, parameter_dtype, device);
}

}  // namespace rmkv
