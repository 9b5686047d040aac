// Checks, choice of form and the auxiliary loss; see microrwkv_model.h.
#include "core/models/microrwkv/microrwkv_model.h"

#include "core/models/microrwkv/corrected.h"
#include "core/models/microrwkv/published.h"
#include "core/models/rmkv/replay.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr const char* kWhere = "microrwkv.forward";

void check_block(const Tensor& tokens, const State& state, const ForwardOptions& options) {
  if (!tokens.defined() || tokens.dim() != 2 || tokens.scalar_type() != at::kLong ||
      tokens.size(1) == 0) {
    fail(kWhere, tensor_text(tokens), "int64 tokens [B, T] with at least one token");
  }
  const int64_t batch = tokens.size(0), count = tokens.size(1);
  if (batch != state.batch()) {
    fail(kWhere, tensor_text(tokens),
         "a state of as many lanes, not " + std::to_string(state.batch()),
         "make one with initial_state(batch)");
  }
  if (options.valid.defined()) {
    check_shape(options.valid, "microrwkv.forward.valid", {batch, count}, "BT");
  }
  if (!options.resets.defined()) return;
  check_shape(options.resets, "microrwkv.forward.resets", {batch, -1}, "BS");
  if (options.resets.size(1) == 0 || count % options.resets.size(1) != 0) {
    fail("microrwkv.forward.resets", tensor_text(options.resets),
         "[B, S] with S a divisor of the " + std::to_string(count) + " tokens");
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

MicroRwkvModel::MicroRwkvModel(const MicroRwkvConfig& config, ParameterSeed seed,
                               at::ScalarType dtype, at::Device device)
    : config_(config), parameters_(dtype, device) {
  add_microrwkv_parameters(config_, seed, parameters_);
  weights_ = bind_microrwkv(config_, parameters_);
  facts_.architecture = "microrwkv";
  facts_.vocabulary = config_.vocabulary;
  facts_.channels = config_.channels;
  facts_.layers = config_.layers;
  facts_.segment_tokens = config_.published() ? config_.block_tokens : 0;
  facts_.any_split = !config_.published();
  if (config_.published()) facts_.warning = kPublishedMicroRwkvWarning;
}

State MicroRwkvModel::initial_state(int64_t batch) {
  return (config_.published() ? published_state : corrected_state)(config_, weights_, batch);
}

Tensor MicroRwkvModel::forward(const Tensor& tokens, State& state, const ForwardOptions& given) {
  check_block(tokens, state, given);
  ForwardOptions options = given;
  if (parameters_.dtype() == at::kDouble) options.compute_dtype = at::kDouble;
  auxiliary_ = Tensor();
  return config_.published() ? published_microrwkv(config_, weights_, tokens, state, options)
                             : corrected(tokens, state, options);
}

Tensor MicroRwkvModel::corrected(const Tensor& tokens, State& state,
                                 const ForwardOptions& options) {
  const Tensor anchor = gradient_anchor(parameters_);
  if (!anchor.defined()) return corrected_forward(config_, weights_, tokens, state, options);
  // The loss travels through the state, so that replay knows how to bring its gradient back.
  const auto real = weights_.embedding.options().requires_grad(false);
  state.set("auxiliary", at::zeros({tokens.size(0)}, real));
  Tensor hidden;
  if (options.replay) {
    const int64_t segments = options.resets.defined() ? options.resets.size(1) : 1;
    const auto run = [this](const Tensor& ids, State& at, const ForwardOptions& how) {
      return corrected_forward(config_, weights_, ids, at, how);
    };
    hidden = replayed_forward(run, anchor, tokens, state, options, tokens.size(1) / segments);
    auxiliary_ = state.get("auxiliary").sum() / static_cast<double>(segments);
  } else {
    hidden = corrected_forward(config_, weights_, tokens, state, options);
    auxiliary_ = state.get("auxiliary").sum();
  }
  state.erase("auxiliary");
  return hidden;
}

std::vector<std::string> MicroRwkvModel::memory_names(const State& state) const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state.tensors()) {
    if (name.ends_with("tmix.state")) names.push_back(name);
  }
  return names;
}

std::unique_ptr<LanguageModel> create_microrwkv(const Table& config, ParameterSeed seed,
                                                at::ScalarType parameter_dtype, at::Device device) {
  return std::make_unique<MicroRwkvModel>(MicroRwkvConfig::from_table(config), seed,
                                          parameter_dtype, device);
}

}  // namespace rmkv
