// A model that says one text, whatever it is fed: for tests of what sessions show.  Bytes are
// tokens, no segments.
#pragma once

#include <memory>
#include <string>

#include "core/models/language_model.h"
#include "core/tensor/torch.h"

namespace rmkv {

class ScriptedModel : public LanguageModel {
 public:
  // Sampled tokens follow `script`; ids are those of the byte tokenizer.
  explicit ScriptedModel(std::vector<int32_t> script) : script_(std::move(script)) {
    facts_.architecture = "scripted";
    facts_.vocabulary = facts_.channels = 262;
    parameters_.add("head", at::eye(262), ParameterGroup::kMatrix);
    parameters_.finish();
  }

  const ModelFacts& facts() const override { return facts_; }
  Table config() const override { return {{"architecture", "scripted"}}; }
  ParameterStore& parameters() override { return parameters_; }
  State initial_state(int64_t batch) override {
    State state;
    state.set("seen", at::zeros({batch, 1}));
    return state;
  }
  // tokens int64 [1, T] -> hidden fp32 [1, T, 262]; row t says script[t + tokens seen before - 1].
  Tensor forward(const Tensor& tokens, State& state, const ForwardOptions&) override {
    const int64_t seen = state.counter("seen"), count = tokens.size(1);
    Tensor hidden = at::zeros({1, count, 262});
    for (int64_t t = 0; t < count; ++t) {
      const size_t next = static_cast<size_t>(seen + t) % script_.size();
      hidden[0][t][script_[next]] = 100;
    }
    state.set_counter("seen", seen + count);
    state.writable("seen").add_(count);
    return hidden;
  }
  Tensor head_weight() override { return parameters_.get("head").value; }

 private:
  std::vector<int32_t> script_;
  ModelFacts facts_;
  ParameterStore parameters_;
};

}  // namespace rmkv
