// MicroRWKV behind the LanguageModel interface: checks what it is given, then computes it the
// corrected way (corrected.h) or the published one (published.h).
#pragma once

#include <memory>

#include "core/models/language_model.h"
#include "core/models/microrwkv/microrwkv_parameters.h"

namespace rmkv {

class MicroRwkvModel : public LanguageModel {
 public:
  // Parameters of `dtype` (fp32 or fp64), initialised from `seed` (none: zero).
  MicroRwkvModel(const MicroRwkvConfig& config, ParameterSeed seed, at::ScalarType dtype,
                 at::Device device);

  const ModelFacts& facts() const override { return facts_; }
  Table config() const override { return config_.to_table(); }
  using LanguageModel::parameters;
  ParameterStore& parameters() override { return parameters_; }
  State initial_state(int64_t batch) override;
  Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) override;
  Tensor take_auxiliary_loss() override { return std::move(auxiliary_); }
  Tensor head_weight() override { return weights_.embedding; }
  // The states of the time mixes; caches and shifts are short-term.
  std::vector<std::string> memory_names(const State& state) const override;

  const MicroRwkvConfig& options() const { return config_; }
  const MicroRwkvWeights& weights() const { return weights_; }

 private:
  Tensor corrected(const Tensor& tokens, State& state, const ForwardOptions& options);

  MicroRwkvConfig config_;
  ModelFacts facts_;
  ParameterStore parameters_;
  MicroRwkvWeights weights_;
  Tensor auxiliary_;  // of the last forward with gradients; corrected only
};

std::unique_ptr<LanguageModel> create_microrwkv(const Table& config, ParameterSeed seed,
                                                at::ScalarType parameter_dtype, at::Device device);

}  // namespace rmkv
