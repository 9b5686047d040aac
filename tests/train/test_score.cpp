// Scores of continuations against one token after another.
#include "core/train/score.h"

#include <cmath>

#include "tests/catch.h"
#include "tests/train/toy_batch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

TEST_CASE("a score is the chain of conditional log-probabilities") {
  ToyModel model;
  std::vector<int64_t> context = {1, 2, 3, 4, 5, 0};
  std::vector<std::vector<int64_t>> continuations = {{1}, {2, 3}, {6, 5, 4, 3, 2, 1, 0}, {2, 4}};
  auto scores = score(model, context, continuations, at::kDouble);
  REQUIRE(scores.size() == 4);
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < continuations.size(); ++i) {
    State state = model.initial_state(1);
    Tensor hidden;
    auto read = [&](int64_t id) {
      hidden = model.forward(at::full({1, 1}, id, at::kLong), state, {});
    };
    for (int64_t id : context) read(id);
    double expected = 0;
    for (int64_t id : continuations[i]) {
      expected +=
          at::log_softmax(at::matmul(hidden[0][0], model.head_weight().t()), -1)[id].item<double>();
      read(id);
    }
    CHECK(scores[i] == Approx(expected).epsilon(1e-9));
  }
}

TEST_CASE("all one-token continuations together are certain") {
  ToyModel model;
  std::vector<std::vector<int64_t>> all;
  for (int64_t id = 0; id < ToyModel::kVocabulary; ++id) all.push_back({id});
  double total = 0;
  for (double x : score(model, {3}, all, at::kDouble)) total += std::exp(x);
  CHECK(total == Approx(1.0).epsilon(1e-9));
}

TEST_CASE("empty and unknown tokens are refused") {
  ToyModel model;
  CHECK_THROWS_WITH(score(model, {}, {{1}}), Contains("score.context: got no tokens"));
  CHECK_THROWS_WITH(score(model, {1}, {{}}), Contains("score.continuations: got no tokens"));
  CHECK_THROWS_WITH(score(model, {7}, {{1}}), Contains("token 7, expected 0 .. 6"));
  CHECK_THROWS_WITH(score(model, {1}, {{-1}}), Contains("token -1"));
  CHECK(score(model, {1}, {}).empty());
}
