// RMKV behind the LanguageModel interface: checks what it is given, then chooses how to compute it.
//
// Whole segments from a segment start are computed layer by layer over all segments at once
// (parallel.h); anything else token block by token block against the open segment's cache
// (recurrent.h), with the same result.  The original block (commit = "published") goes its own way
// (published.h).
#pragma once

#include <memory>

#include "core/models/language_model.h"
#include "core/models/rmkv/rmkv_config.h"
#include "core/models/rmkv/rmkv_parameters.h"
#include "core/models/rmkv/token_step.h"

namespace rmkv {

class RmkvModel : public LanguageModel {
 public:
  // Parameters of `dtype` (fp32 or fp64), initialised from `seed` (none: zero).
  RmkvModel(const RmkvConfig& config, ParameterSeed seed, at::ScalarType dtype, at::Device device);

  const ModelFacts& facts() const override { return facts_; }
  Table config() const override { return config_.to_table(); }
  using LanguageModel::parameters;
  ParameterStore& parameters() override { return parameters_; }
  State initial_state(int64_t batch) override;
  Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) override;
  void flush(State& state, const ForwardOptions& options) override;
  bool step(int64_t token, State& state, const ForwardOptions& options, float* hidden) override;
  bool step_logits(const float* hidden, float* logits) override;
  Tensor head_weight() override { return weights_.head; }

  // Readings (ForwardOptions), whole segments only: "attention_share.l", the share of a token's
  // attention that memory rows get, mean over heads; "read_norm.l" and "store_norm.l", the norms of
  // what slots and store add to the residual stream against the norm of the stream.
  //
  // "memory.l" fp32 [B, M, C], "carry.l" and "store.l" as in the state; "keep.l" [M, C] keep-rates
  // at rest and "half_life.l" [M, C] in segments; "store_half_life.l" [H]; "slot_cosine.l" and
  // "rank.l" [B] (measures.h).
  std::vector<std::string> probe_names() const override;
  Tensor probe(const std::string& name, const State& state) override;
  std::vector<std::string> memory_names(const State& state) const override;

  const RmkvConfig& options() const { return config_; }
  const RmkvWeights& weights() const { return weights_; }

 private:
  TokenStep* token_step();
  // fp64 parameters compute in fp64, whatever was asked.
  ForwardOptions resolved(const ForwardOptions& options) const;

  RmkvConfig config_;
  ModelFacts facts_;
  ParameterStore parameters_;
  RmkvWeights weights_;
  std::unique_ptr<TokenStep> step_;  // null until asked for, and where the model is not covered
  bool step_asked_ = false;
};

std::unique_ptr<LanguageModel> create_rmkv(const Table& config, ParameterSeed seed,
                                           at::ScalarType parameter_dtype, at::Device device);

}  // namespace rmkv
