// RMKV's decoding without LibTorch against the recurrent form: every variant, every token of some
// segments, any number of threads; and what it must leave to that form.
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;

namespace {

constexpr uint64_t kSeed = 41;
constexpr int64_t kCount = 4 * kSegment;

// Takes a token as a session does: by step where that is possible.  -> whether it was.
bool take(RmkvModel& model, int64_t token, State& state, Tensor& hidden) {
  at::NoGradGuard no_grad;
  hidden = at::empty({1, kChannels}, at::kFloat);
  if (model.step(token, state, {}, hidden.mutable_data_ptr<float>())) return true;
  hidden = model.forward(at::full({1, 1}, token, at::kLong), state, {}).select(1, 0);
  return false;
}

}  // namespace

TEST_CASE("a token taken by step gives the recurrent form's row and state, in every variant") {
  for (const Variant& variant : all_variants()) {
    const auto model = make_model(variant.config, kSeed, at::kFloat);
    const Tensor tokens = random_tokens(1, kCount, kSeed);
    State state = model->initial_state(1), expected_state = model->initial_state(1);
    int64_t steps = 0;
    for (int64_t t = 0; t < kCount; ++t) {
      INFO(variant.name << " token " << t);
      const int64_t token = tokens[0][t].item<int64_t>();
      Tensor hidden;
      steps += take(*model, token, state, hidden);
      const Tensor expected =
          run_in_pieces(*model, tokens.narrow(1, t, 1), expected_state, {1}, at::kFloat);
      CHECK(difference(hidden, expected[0]) < 1e-4);
      CHECK(difference(state, expected_state) < 1e-4);
      Tensor logits = at::empty({kVocabulary}, at::kFloat);
      REQUIRE(model->step_logits(hidden.const_data_ptr<float>(), logits.mutable_data_ptr<float>()));
      CHECK(difference(logits, model->logits(expected)[0][0]) < 1e-4);
    }
    // Every token but those that open a segment.
    CHECK(steps == kCount - kCount / kSegment);
  }
}

TEST_CASE("steps give the same bits for any number of threads") {
  for (const Variant& variant : few_variants()) {
    const Tensor tokens = random_tokens(1, kCount, kSeed);
    std::vector<State> states;
    std::vector<Tensor> rows;
    for (const int64_t threads : {1, 2, 3}) {
      set_thread_count(threads);
      const auto model = make_model(variant.config, kSeed, at::kFloat);
      states.push_back(model->initial_state(1));
      Tensor hidden;
      for (int64_t t = 0; t < kCount; ++t) {
        take(*model, tokens[0][t].item<int64_t>(), states.back(), hidden);
      }
      rows.push_back(hidden);
    }
    set_thread_count(1);
    INFO(variant.name);
    CHECK(at::equal(rows[0], rows[1]));
    CHECK(at::equal(rows[0], rows[2]));
    CHECK(states[0].equals(states[1]));
    CHECK(states[0].equals(states[2]));
  }
}

TEST_CASE("a copy of a state stays as it was while the original takes steps") {
  for (const Variant& variant : few_variants()) {
    const auto model = make_model(variant.config, kSeed, at::kFloat);
    State state = model->initial_state(1);
    Tensor hidden;
    for (int64_t token = 0; token < 3; ++token) take(*model, token, state, hidden);
    const State copy = state;
    State deep;
    for (const auto& [name, tensor] : copy.tensors()) deep.set(name, tensor.clone());
    for (const auto& [name, value] : copy.counters()) deep.set_counter(name, value);
    for (int64_t token = 0; token < kSegment; ++token) take(*model, token, state, hidden);
    INFO(variant.name);
    CHECK(copy.equals(deep));
    CHECK_FALSE(state.equals(deep));
  }
}

TEST_CASE("steps follow the weights when they change") {
  const auto model = make_model(small_config(), kSeed, at::kFloat);
  for (int round = 0; round < 2; ++round) {
    State state = model->initial_state(1), expected_state = model->initial_state(1);
    Tensor hidden;
    for (int64_t token = 0; token < kSegment + 2; ++token) {
      take(*model, token, state, hidden);
      run_in_pieces(*model, at::full({1, 1}, token, at::kLong), expected_state, {1}, at::kFloat);
    }
    CHECK(difference(state, expected_state) < 1e-4);
    at::NoGradGuard no_grad;
    for (const Parameter& parameter : model->parameters().all()) parameter.value.mul_(1.25);
    model->parameters().mark_changed();
  }
}

TEST_CASE("steps are left to the recurrent form where they are not covered") {
  float row[kChannels];
  const auto stepped = [&](RmkvModel& model, const ForwardOptions& options, int64_t lanes) {
    at::NoGradGuard no_grad;
    State state = model.initial_state(lanes);
    model.forward(at::zeros({lanes, 1}, at::kLong), state, options);
    const State before = state;
    const bool done = model.step(1, state, options, row);
    if (!done) CHECK(state.equals(before));
    return done;
  };
  const auto model = make_model(small_config(), kSeed, at::kFloat);
  CHECK(stepped(*model, {}, 1));
  CHECK_FALSE(stepped(*model, {}, 2));
  ForwardOptions narrow;
  narrow.compute_dtype = at::kBFloat16;
  CHECK_FALSE(stepped(*model, narrow, 1));
  CHECK_FALSE(stepped(*make_model(small_config(), kSeed, at::kDouble), {}, 1));
  CHECK_THROWS(stepped(*make_model(small_config({{"vocabulary", 1}}), kSeed, at::kFloat), {}, 1));
  Table published = small_config({{"commit", "published"}, {"pooling", "query"}, {"bridge", 0}});
  CHECK_FALSE(stepped(*make_model(published, kSeed, at::kFloat), {}, 1));
  // A state whose open segment was computed in bf16.
  at::NoGradGuard no_grad;
  State mixed = model->initial_state(1);
  model->forward(at::zeros({1, 1}, at::kLong), mixed, narrow);
  CHECK_FALSE(model->step(1, mixed, {}, row));
}
