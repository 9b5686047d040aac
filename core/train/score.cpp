// The context in one lane, then one lane per continuation.
#include "core/train/score.h"

#include <algorithm>

#include "core/base/cancel.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

void check_ids(const std::vector<int64_t>& ids, int64_t vocabulary, const std::string& where) {
  if (ids.empty()) fail(where, "no tokens", "at least one token");
  for (int64_t id : ids) {
    if (id < 0 || id >= vocabulary) {
      fail(where, "token " + std::to_string(id), "0 .. " + std::to_string(vocabulary - 1));
    }
  }
}

}  // namespace

std::vector<double> score(LanguageModel& model, const std::vector<int64_t>& context,
                          const std::vector<std::vector<int64_t>>& continuations,
                          at::ScalarType compute_dtype) {
  int64_t vocabulary = model.facts().vocabulary;
  check_ids(context, vocabulary, "score.context");
  for (const auto& ids : continuations) check_ids(ids, vocabulary, "score.continuations");
  if (continuations.empty()) return {};
  check_cancelled("score");
  at::NoGradGuard no_grad;
  at::Device device = model.parameters().device();
  ForwardOptions options;
  options.compute_dtype = compute_dtype;

  State state = model.initial_state(1);
  Tensor hidden =
      model.forward(at::tensor(context, at::kLong).unsqueeze(0).to(device), state, options);
  auto log_probabilities = [&](const Tensor& rows) {
    return at::log_softmax(model.logits(rows), -1).to(at::kDouble).to(at::kCPU);
  };
  Tensor first = log_probabilities(hidden.select(1, hidden.size(1) - 1));  // [1, V]

  int64_t count = static_cast<int64_t>(continuations.size()), longest = 0;
  for (const auto& ids : continuations)
    longest = std::max(longest, static_cast<int64_t>(ids.size()));
  // The last token of a continuation is predicted, not read.  Shorter ones are filled up with token
  // 0: what stands behind a token cannot change it.
  Tensor rest;  // [count, longest - 1, V]
  if (longest > 1) {
    Tensor tokens = at::zeros({count, longest - 1}, at::kLong);
    for (int64_t i = 0; i < count; ++i) {
      for (size_t j = 0; j + 1 < continuations[i].size(); ++j) tokens[i][j] = continuations[i][j];
    }
    State lanes = State::join(std::vector<State>(count, state));
    rest = log_probabilities(model.forward(tokens.to(device), lanes, options));
  }
  std::vector<double> scores;
  for (int64_t i = 0; i < count; ++i) {
    double sum = first[0][continuations[i][0]].item<double>();
    for (size_t j = 1; j < continuations[i].size(); ++j) {
      sum += rest[i][j - 1][continuations[i][j]].item<double>();
    }
    scores.push_back(sum);
  }
  return scores;
}

}  // namespace rmkv
