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

// Elements of the logits that exist at once: 32 MB in fp32.
constexpr int64_t kLogitsAtOnce = int64_t{1} << 23;

// log P(label) after each of hidden [N, C], labels int64 [N] -> fp64 [N] on the CPU.
Tensor label_log_probabilities(LanguageModel& model, const Tensor& hidden, const Tensor& labels) {
  const int64_t rows = std::max<int64_t>(1, kLogitsAtOnce / model.facts().vocabulary);
  Tensor result = at::empty({hidden.size(0)}, at::kDouble);
  for (int64_t first = 0; first < hidden.size(0); first += rows) {
    const int64_t count = std::min(rows, hidden.size(0) - first);
    const Tensor wide = at::log_softmax(model.logits(hidden.narrow(0, first, count)), -1);
    const Tensor index = labels.narrow(0, first, count).to(wide.device()).unsqueeze(-1);
    result.narrow(0, first, count).copy_(wide.gather(-1, index).squeeze(-1));
  }
  return result;
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
  const int64_t count = static_cast<int64_t>(continuations.size());
  Tensor firsts = at::empty({count}, at::kLong);
  int64_t longest = 0;
  for (int64_t i = 0; i < count; ++i) {
    firsts[i] = continuations[i][0];
    longest = std::max(longest, static_cast<int64_t>(continuations[i].size()));
  }
  Tensor last = hidden.select(1, hidden.size(1) - 1);  // [1, C]
  Tensor first = label_log_probabilities(model, last.expand({count, -1}), firsts);
  std::vector<double> scores(first.data_ptr<double>(), first.data_ptr<double>() + count);
  if (longest == 1) return scores;

  // The last token of a continuation is predicted, not read.  Shorter ones are filled up with token
  // 0: what stands behind a token cannot change it.
  Tensor tokens = at::zeros({count, longest - 1}, at::kLong);
  std::vector<int64_t> rows, owners, labels;  // of every token but the first
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 1; j < static_cast<int64_t>(continuations[i].size()); ++j) {
      tokens.data_ptr<int64_t>()[i * (longest - 1) + j - 1] = continuations[i][j - 1];
      rows.push_back(i * (longest - 1) + j - 1);
      owners.push_back(i);
      labels.push_back(continuations[i][j]);
    }
  }
  State lanes = State::join(std::vector<State>(count, state));
  hidden = model.forward(tokens.to(device), lanes, options);
  hidden =
      hidden.reshape({-1, hidden.size(-1)}).index_select(0, at::tensor(rows, at::kLong).to(device));
  Tensor rest = label_log_probabilities(model, hidden, at::tensor(labels, at::kLong));
  for (size_t i = 0; i < owners.size(); ++i) scores[owners[i]] += rest.data_ptr<double>()[i];
  return scores;
}

}  // namespace rmkv
