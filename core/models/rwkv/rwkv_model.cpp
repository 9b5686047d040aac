// See rwkv_model.h.
#include "core/models/rwkv/rwkv_model.h"

#include "core/kernels/embedding.h"
#include "core/kernels/norm.h"
#include "core/kernels/wkv.h"
#include "core/models/rmkv/replay.h"
#include "core/models/rwkv/rwkv_initial.h"
#include "core/models/rwkv/rwkv_state.h"
#include "core/tensor/torch.h"

namespace rmkv {
namespace {

constexpr double kLayerNormEpsilon = 1e-5;

void check_block(const Tensor& tokens, const State& state, const ForwardOptions& options) {
  const char* where = "rwkv.forward";
  if (!tokens.defined() || tokens.dim() != 2 || tokens.scalar_type() != at::kLong ||
      tokens.size(1) == 0) {
    fail(where, tensor_text(tokens), "int64 tokens [B, T] with at least one token");
  }
  const int64_t B = tokens.size(0), T = tokens.size(1);
  if (B != state.batch()) {
    fail(where, tensor_text(tokens),
         "a state of as many lanes, not " + std::to_string(state.batch()),
         "make one with initial_state(batch)");
  }
  if (options.valid.defined()) check_shape(options.valid, "rwkv.forward valid", {B, T}, "BT");
  if (options.resets.defined()) {
    check_shape(options.resets, "rwkv.forward resets", {B, -1}, "BS");
    const int64_t segments = options.resets.size(1);
    if (segments == 0 || T % segments != 0) {
      fail(where, std::to_string(T) + " tokens with resets for " + std::to_string(segments),
           "a number of tokens that the segments divide");
    }
  }
}

// Resets and padding as one byte a token; undefined where there is neither.
Tensor marks_of(const Tensor& tokens, const ForwardOptions& options) {
  if (!options.valid.defined() && !options.resets.defined()) return {};
  const int64_t B = tokens.size(0), T = tokens.size(1);
  Tensor marks = at::zeros({B, T}, tokens.options().dtype(at::kByte));
  if (options.resets.defined()) {
    const int64_t S = options.resets.size(1);
    marks.view({B, S, T / S}).select(2, 0).add_(options.resets.to(at::kByte), kernels::kMarkReset);
  }
  if (options.valid.defined()) {
    marks.add_(options.valid.logical_not().to(at::kByte), kernels::kMarkSkip);
  }
  return marks;
}

}  // namespace

RwkvModel::RwkvModel(const RwkvConfig& config, ParameterSeed seed, at::ScalarType dtype,
                     at::Device device)
    : config_(config), parameters_(dtype, device) {
  const std::vector<RwkvParameter> list = rwkv_parameters(config_);
  for (const RwkvParameter& parameter : list) {
    parameters_.add(parameter.name, parameter.shape, rwkv_parameter_group(parameter));
  }
  parameters_.finish();
  if (seed) {
    auto parameter = list.begin();
    parameters_.fill(
        [&](Tensor& value) { value.copy_(rwkv_initial_value(config, *parameter++, *seed)); });
  }
  embedding_ = parameters_.get("emb.weight").value;
  head_ = parameters_.get("head.weight").value;
  if (config_.head_bias) head_bias_ = parameters_.get("head.bias").value;
  if (config_.input_norm) input_norm_ = norm_of("blocks.0.ln0");
  output_norm_ = norm_of("ln_out");
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    blocks_.push_back({norm_of(rwkv_block_name(layer, "ln1")),
                       norm_of(rwkv_block_name(layer, "ln2")),
                       make_time_mix(config_, parameters_, layer),
                       make_channel_mix(config_, parameters_, layer)});
  }
  facts_.architecture = config_.architecture();
  facts_.vocabulary = config_.vocabulary;
  facts_.channels = config_.channels;
  facts_.layers = config_.layers;
}

RwkvModel::Norm RwkvModel::norm_of(const std::string& name) const {
  return {parameters_.get(name + ".weight").value, parameters_.get(name + ".bias").value};
}

State RwkvModel::initial_state(int64_t batch) {
  return rwkv_initial_state(config_, parameters_, batch);
}

Tensor RwkvModel::forward(const Tensor& tokens, State& state, const ForwardOptions& given) {
  check_block(tokens, state, given);
  ForwardOptions options = given;
  if (parameters_.dtype() == at::kDouble) options.compute_dtype = at::kDouble;
  const bool training = at::GradMode::is_enabled() && embedding_.requires_grad();
  if (training && config_.head_bias) {
    fail("rwkv.forward", "gradients for a model with head_bias", "a model without it",
         "the training loss multiplies by head.weight alone");
  }
  if (!options.replay || !training) return run(tokens, state, options);
  const int64_t length = options.segment_tokens > 0 ? options.segment_tokens
                         : options.resets.defined() ? tokens.size(1) / options.resets.size(1)
                                                    : tokens.size(1);
  return replayed_forward(
      [this](const Tensor& ids, State& at, const ForwardOptions& how) { return run(ids, at, how); },
      embedding_, tokens, state, options, length);
}

Tensor RwkvModel::run(const Tensor& tokens, State& state, const ForwardOptions& options) const {
  const at::ScalarType dtype = options.compute_dtype;
  const at::ScalarType stream = dtype == at::kDouble ? at::kDouble : at::kFloat;
  const auto normed = [](const Tensor& x, const Norm& norm, at::ScalarType out) {
    return kernels::layer_norm(x, norm.weight, norm.bias, kLayerNormEpsilon, out);
  };
  RwkvPass pass{state, marks_of(tokens, options), {}};
  Tensor x = kernels::embedding(tokens, embedding_, stream);
  if (input_norm_.weight.defined()) x = normed(x, input_norm_, stream);
  for (const Block& block : blocks_) {
    x = x + block.time_mix->forward(normed(x, block.first, dtype), pass);
    x = x + block.channel_mix->forward(normed(x, block.second, dtype), pass);
  }
  return normed(x, output_norm_, dtype);
}

Tensor RwkvModel::logits(const Tensor& hidden) {
  const Tensor result = LanguageModel::logits(hidden);
  return head_bias_.defined() ? result + head_bias_ : result;
}

Table RwkvModel::optimizer_options() const {
  // RWKV-LM: AdamW with decay on matrices only; the decay parameters learn twice as fast.
  return {{"betas", List{0.9, 0.99}},
          {"eps", 1e-18},
          {"groups", Table{{"gate", Table{{"lr_scale", 2.0}}}}}};
}

std::vector<std::string> RwkvModel::probe_names() const {
  std::vector<std::string> names;
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    names.push_back("state." + std::to_string(layer));
  }
  return names;
}

Tensor RwkvModel::probe(const std::string& name, const State& state) {
  const auto names = probe_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return LanguageModel::probe(name, state);
  }
  return state.get(rwkv_block_name(std::stoll(name.substr(6)), "att.state")).detach();
}

std::vector<std::string> RwkvModel::memory_names(const State& state) const {
  std::vector<std::string> names;
  for (const auto& entry : state.tensors()) {
    const std::string& name = entry.first;
    if (name.size() > 10 && name.compare(name.size() - 10, 10, ".att.state") == 0) {
      names.push_back(name);
    }
  }
  return names;
}

std::unique_ptr<LanguageModel> create_rwkv(const Table& config, ParameterSeed seed,
                                           at::ScalarType parameter_dtype, at::Device device) {
  return std::make_unique<RwkvModel>(RwkvConfig::from_table(config), seed, parameter_dtype, device);
}

}  // namespace rmkv
