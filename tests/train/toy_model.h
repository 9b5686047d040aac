// A language model small enough to check by hand: one leaky memory row per lane, updated token by
// token.
//
//   hidden[t] = embedding[token[t]] + memory;  memory <- tanh(memory W + embedding[token[t]])
//
// memory [B, C] starts at a learned row, "count" [B] counts tokens since the lane's start (it is
// not memory).
#pragma once

#include <functional>

#include "core/models/language_model.h"

namespace rmkv {

class ToyModel : public LanguageModel {
 public:
  static constexpr int64_t kVocabulary = 7, kChannels = 5, kSegmentTokens = 4;

  explicit ToyModel(uint64_t seed = 1, at::ScalarType dtype = at::kDouble);

  const ModelFacts& facts() const override { return facts_; }
  Table config() const override { return {{"architecture", "toy"}}; }
  using LanguageModel::parameters;
  ParameterStore& parameters() override { return parameters_; }
  State initial_state(int64_t batch) override;
  Tensor forward(const Tensor& tokens, State& state, const ForwardOptions& options) override;
  Tensor head_weight() override { return parameters_.get("embedding").value; }
  std::vector<std::string> memory_names(const State&) const override { return {"memory"}; }

  std::function<void()> before_forward;  // a test's chance to interfere

 private:
  ModelFacts facts_;
  ParameterStore parameters_;
};

}  // namespace rmkv
