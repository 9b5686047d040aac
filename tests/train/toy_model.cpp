// See toy_model.h.
#include "tests/train/toy_model.h"

#include "core/base/random.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

Tensor random_values(uint64_t seed, const char* name, std::vector<int64_t> shape) {
  RandomStream random(seed, name);
  Tensor values = at::empty(shape, at::kDouble);
  for (int64_t i = 0; i < values.numel(); ++i) values.data_ptr<double>()[i] = 0.5 * random.normal();
  return values;
}

}  // namespace

ToyModel::ToyModel(uint64_t seed, at::ScalarType dtype) : parameters_(dtype) {
  facts_.architecture = "toy";
  facts_.vocabulary = kVocabulary;
  facts_.channels = kChannels;
  facts_.layers = 1;
  facts_.segment_tokens = kSegmentTokens;
  parameters_.add("embedding", random_values(seed, "embedding", {kVocabulary, kChannels}),
                  ParameterGroup::kEmbedding);
  parameters_.add("mix", random_values(seed, "mix", {kChannels, kChannels}),
                  ParameterGroup::kMatrix);
  parameters_.add("start", random_values(seed, "start", {kChannels}), ParameterGroup::kVector);
  parameters_.finish();
}

State ToyModel::initial_state(int64_t batch) {
  State state;
  state.set("memory",
            parameters_.get("start").value.unsqueeze(0).expand({batch, kChannels}).contiguous());
  state.set("count", at::zeros({batch}, at::kLong));
  return state;
}

Tensor ToyModel::forward(const Tensor& tokens, State& state, const ForwardOptions& options) {
  if (before_forward) before_forward();
  int64_t batch = tokens.size(0), width = tokens.size(1);
  int64_t length = options.segment_tokens ? options.segment_tokens : kSegmentTokens;
  Tensor rows = parameters_.get("embedding")
                    .value.index_select(0, tokens.reshape({-1}))
                    .view({batch, width, kChannels});
  const Tensor& mix = parameters_.get("mix").value;
  Tensor memory = state.get("memory"), count = state.get("count");
  State fresh = initial_state(batch);
  std::vector<Tensor> hidden;
  for (int64_t t = 0; t < width; ++t) {
    if (options.resets.defined() && t % length == 0) {
      Tensor starts = options.resets.select(1, t / length);
      memory = at::where(starts.unsqueeze(1), fresh.get("memory"), memory);
      count = at::where(starts, 0, count);
    }
    Tensor row = rows.select(1, t);
    hidden.push_back(row + memory);
    Tensor next = at::tanh(at::matmul(memory, mix) + row), counted = count + 1;
    if (options.valid.defined()) {
      Tensor valid = options.valid.select(1, t);
      next = at::where(valid.unsqueeze(1), next, memory);
      counted = at::where(valid, counted, count);
    }
    memory = next;
    count = counted;
  }
  state.set("memory", memory);
  state.set("count", count);
  return at::stack(hidden, 1);
}

}  // namespace rmkv
